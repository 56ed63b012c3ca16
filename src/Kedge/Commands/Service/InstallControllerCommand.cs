using System.CommandLine;
using Kedge.Commands.Ca;
using Kedge.Commands.Controller;
using Kedge.Node.Supervision;
using Kedge.Protocol;

namespace Kedge.Commands.Service;

/// <summary><c>kedge service install controller</c>.</summary>
internal sealed class InstallControllerCommand : Command
{
    /// <summary>Gives the unit the certificate of a locked network's master: its user cannot enter the folder of the settings.</summary>
    public const string LockedDropIn = "locked.conf";

    private readonly ControllerOptions _options = new();
    private readonly Option<bool> _noStart = ServiceCommand.NoStart();
    private readonly Option<string?> _root = ServiceRoot.Option();

    public InstallControllerCommand()
        : base("controller", "Install the controller of a network. Settings that are not given stay as they are.")
    {
        _options.AddTo(this);
        Options.Add(_noStart);
        Options.Add(_root);
        SetAction(Run);
    }

    /// <summary>The copy of the certificate of a locked network's master.</summary>
    public static string MasterFile(ServiceRoot root) => Path.Combine(root.SettingsFolder, "master.pem");

    private int Run(ParseResult call)
    {
        ServiceRoot root = ServiceRoot.Of(call, _root, changes: true);
        string? master = _options.LockedMaster(call) is { Length: > 0 } file ? ReadCertificate(file) : null;
        root.CreateSettingsFolder();
        bool changed = root.InstallUnit(Systemctl.ControllerUnit);
        if (Setting.Given(call, _options.All).ToArray() is { Length: > 0 } settings)
        {
            string path = root.EnvironmentFile("controller");
            string merged = EnvironmentText.Merge(GeneratedFile.ReadBody(path) ?? "", settings);
            changed |= GeneratedFile.Write(path, merged, GeneratedFile.Private);
        }
        if (master is not null)
        {
            changed |= GeneratedFile.Write(MasterFile(root), master, GeneratedFile.Private);
            changed |= root.InstallDropIn(Systemctl.ControllerUnit, LockedDropIn,
                "[Service]\nLoadCredential=master.pem:/etc/kedge/master.pem\nEnvironment=KEDGE_CONTROLLER_LOCKED=%d/master.pem\n");
        }
        if (root.IsRunning)
            root.Systemctl.Run("daemon-reload");
        root.Systemctl.Run("enable", "--quiet", Systemctl.ControllerUnit);
        if (!root.IsRunning || call.GetValue(_noStart))
        {
            ServiceCommand.Say("The controller is installed, and starts at boot.");
            return 0;
        }
        ServiceStart.Run(root.Systemctl, [Systemctl.ControllerUnit], changed, mayTakeLong: _ => false);
        ServiceCommand.Say(
            $"""
            The controller is up, and starts at boot. 'kedge logs --controller' shows its log. Next, on this machine:
                kedge login --data-dir {ControllerCommand.DefaultDataDirectory}
                kedge token create --out NODE.join
            and with that file, on the machine that is to be a node:
                kedge service install node --join-file NODE.join
            """);
        return 0;
    }

    private static string ReadCertificate(string path)
    {
        IReadOnlyList<PemItem> items = PemFile.Read(path);
        return items.All(item => item.Label == "CERTIFICATE") ? FileText.Read(path)
            : throw new UserError(
                $"{path} has more than certificates in it. A key has no place on the controller: give the master's certificate alone.");
    }
}
