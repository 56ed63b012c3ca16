using System.CommandLine;
using Kedge.Commands.Node;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.Node.Supervision;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.Enrolment;

namespace Kedge.Commands.Service;

/// <summary><c>kedge service install node</c>.</summary>
internal sealed class InstallNodeCommand : Command
{
    private readonly Option<string> _interface = InterfaceOption.Create();
    private readonly JoinSource _join = new();
    private readonly NodeOptions _options = new();
    private readonly Option<bool> _noStart = ServiceCommand.NoStart();
    private readonly Option<string?> _root = ServiceRoot.Option();

    public InstallNodeCommand()
        : base("node", "Install a node of a network, which joins it first, unless it has. Settings that are not given stay as they are.")
    {
        Options.Add(_interface);
        _join.AddTo(this);
        foreach (Option option in _options.ForServices)
            Options.Add(option);
        Options.Add(_noStart);
        Options.Add(_root);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        ServiceRoot root = ServiceRoot.Of(call, _root, changes: true);
        string name = call.GetRequiredValue(_interface);
        if (name == "controller")
            throw new UserError("An interface of a service cannot be called 'controller': the settings of both would be in one file.");
        var folder = new NodeFolder(root.PathOf(NodeFolder.DefaultStateDirectory), name);
        IReadOnlyList<string> units = Systemctl.NodeUnits(name);
        JoinLine? line = _join.Read(call);
        if (line is null && Membership.Read(folder) is null && !File.Exists(root.JoinFile(name)))
        {
            throw new UserError(
                $"{name} has not joined a network yet. Give the join line with --join-file FILE, by standard input (--join-file -) or in "
                + "KEDGE_JOIN.");
        }
        if (root.IsRunning)
            RefuseRunning(root.Systemctl, name, units);

        bool changed = Install(call, root, name, line);
        if (root.IsRunning)
            root.Systemctl.Run("daemon-reload");
        root.Systemctl.Run(["enable", "--quiet", .. units]);
        if (!root.IsRunning || call.GetValue(_noStart))
        {
            ServiceCommand.Say($"The node of {name} is installed, and starts at boot.");
            return 0;
        }
        string? waiting = ServiceStart.Run(
            root.Systemctl, units, changed, mayTakeLong: _ => Membership.Read(folder)?.Status == Membership.Pending);
        if (Membership.Read(folder) is { Status: Membership.Removed } gone)
            throw new UserError($"{name} runs, but is no member of its network: {gone.Reason} Give a new join line with --join-file FILE.");
        if (waiting is null)
            GeneratedFile.Remove(root.JoinFile(name)); // a secret that has done its work
        ServiceCommand.Say(waiting is null ? Up(name, Membership.Read(folder)!)
            : $"{name} is installed, and starts at boot. {waiting.TrimEnd('.')}. It goes on by itself; "
                + $"'kedge logs {name} --follow' shows how.");
        return 0;
    }

    private static void RefuseRunning(Systemctl systemctl, string name, IReadOnlyList<string> units)
    {
        var run = new RunFolder(RunFolder.DefaultRunDirectory, name);
        ProcessIdentity? running = ProcessLock.Holder(run.UpLock);
        if (running is null && !units.Any(unit => systemctl.Show(unit) is { ActiveState: not ("inactive" or "failed") }))
            running = ProcessLock.Holder(run.LinkLock) ?? UapiClient.FindProcess(UapiSocket.DefaultDirectory, name);
        if (running is { } process)
        {
            throw new UserError(
                $"{name} is up already, by process {process.Id} that 'kedge up' or 'kedge wg' has started. End it first, with "
                + $"'kedge down --interface {name}'.");
        }
    }

    private bool Install(ParseResult call, ServiceRoot root, string name, JoinLine? line)
    {
        root.CreateSettingsFolder();
        bool changed = root.InstallUnit("kedge-node@.service") | root.InstallUnit("kedge-link@.service");
        if (Setting.Given(call, _options.ForServices).ToArray() is { Length: > 0 } settings)
        {
            string path = root.EnvironmentFile(name);
            string merged = EnvironmentText.Merge(GeneratedFile.ReadBody(path) ?? "", settings);
            changed |= GeneratedFile.Write(path, merged, GeneratedFile.Private);
        }
        if (line is not null)
            changed |= GeneratedFile.Write(root.JoinFile(name), line.ToSecretText() + "\n", GeneratedFile.Private);
        return changed;
    }

    private static string Up(string name, Membership membership) =>
        $"""
        {name} is up, and starts at boot: node '{membership.Name}' of zone '{membership.ZoneName}' has {
            string.Join(", ", membership.Addresses)}. Next:
            kedge status {name}
            kedge ping {(name == InterfaceOption.Default ? "" : $"--interface {name} ")}OTHER-NODE
            kedge logs {name} --follow
        """;
}
