using System.CommandLine;
using Kedge.Commands.Node;
using Kedge.Node.ControlLink;
using Kedge.Node.Supervision;
using Kedge.Protocol;

namespace Kedge.Commands.Service;

/// <summary><c>kedge service uninstall controller</c>.</summary>
internal sealed class UninstallControllerCommand : Command
{
    private readonly Option<bool> _purge = ServiceCommand.Purge();
    private readonly Option<string?> _root = ServiceRoot.Option();

    public UninstallControllerCommand()
        : base("controller", "Stop and uninstall the controller. Its data is kept.")
    {
        Options.Add(_purge);
        Options.Add(_root);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        ServiceRoot root = ServiceRoot.Of(call, _root, changes: true);
        bool purge = call.GetValue(_purge);
        if (!root.HasUnit(Systemctl.ControllerUnit))
            throw new UserError("There is no service of a controller here. 'kedge service status' shows those that there are.");
        Removal.Disable(root, [Systemctl.ControllerUnit]);
        if (purge && root.IsRunning)
            root.Systemctl.Run("clean", "--what=state", Systemctl.ControllerUnit);
        var removal = new Removal(purge);
        removal.Remove(root.EnvironmentFile("controller"));
        removal.Remove(InstallControllerCommand.MasterFile(root));
        root.RemoveDropIn(Systemctl.ControllerUnit, InstallControllerCommand.LockedDropIn, purge);
        root.RemoveUnit(Systemctl.ControllerUnit);
        removal.Finish(root);
        ServiceCommand.Say(purge ? "The controller is uninstalled, and its data is removed."
            : "The controller is uninstalled. Its data stays in /var/lib/kedge-controller; with --purge it goes too.");
        return 0;
    }
}

/// <summary><c>kedge service uninstall node</c>.</summary>
internal sealed class UninstallNodeCommand : Command
{
    private readonly Option<string> _interface = InterfaceOption.Create();
    private readonly Option<bool> _purge = ServiceCommand.Purge();
    private readonly Option<string?> _root = ServiceRoot.Option();

    public UninstallNodeCommand()
        : base("node", "Stop and uninstall a node, and remove its interface. It remains a member of its network.")
    {
        Options.Add(_interface);
        Options.Add(_purge);
        Options.Add(_root);
        SetAction((call, _) => RunAsync(call));
    }

    private async Task<int> RunAsync(ParseResult call)
    {
        ServiceRoot root = ServiceRoot.Of(call, _root, changes: true);
        string name = call.GetRequiredValue(_interface);
        bool purge = call.GetValue(_purge);
        var folder = new NodeFolder(root.PathOf(NodeFolder.DefaultStateDirectory), name);
        IReadOnlyList<string> units = Systemctl.NodeUnits(name);
        bool isInstalled = root.EnabledInterfaces().Contains(name)
            || (root.IsRunning && units.Any(unit => root.Systemctl.Show(unit).ActiveState is not ("inactive" or "")));
        if (!isInstalled && !File.Exists(root.EnvironmentFile(name)) && !File.Exists(root.JoinFile(name)))
            throw new UserError($"There is no service of {name} here. 'kedge service status' shows those that there are.");
        Removal.Disable(root, units);
        string? left = null;
        if (root.IsRunning && Directory.Exists(folder.Path))
        {
            if (purge && (await Leaving.LeaveAsync(folder)).Refusal is { } reason)
                left = $"The controller still has this node: {reason} An administrator can remove it with 'kedge node remove'.";
            InterfaceTeardown.Run(NodePlace.Default(name));
        }
        if (purge)
            folder.Delete();
        var removal = new Removal(purge);
        removal.Remove(root.EnvironmentFile(name));
        removal.Remove(root.JoinFile(name));
        if (root.EnabledInterfaces().Count == 0)
        {
            root.RemoveUnit("kedge-node@.service");
            root.RemoveUnit("kedge-link@.service");
        }
        removal.Finish(root);
        ServiceCommand.Say(purge ? $"The node of {name} is uninstalled, and its keys are removed."
            : $"The node of {name} is uninstalled. Its keys stay in {folder.Path}; with --purge it also leaves its network.");
        if (left is not null)
            ServiceCommand.Say(left);
        return 0;
    }
}

/// <summary>Undoes an installation.</summary>
/// <param name="purge">Whether to remove settings that were changed by hand, too.</param>
internal sealed class Removal(bool purge)
{
    private readonly List<string> _kept = [];

    /// <summary>Stops and disables units, which need not exist.</summary>
    public static void Disable(ServiceRoot root, IReadOnlyList<string> units)
    {
        string[] running = root.IsRunning ? [.. units.Where(unit => root.Systemctl.Show(unit).ActiveState is not ("inactive" or ""))] : [];
        if (running.Length > 0)
            root.Systemctl.Run(["stop", .. running]);
        string[] enabled = [.. units.Where(unit => root.Systemctl.FileState(unit).StartsWith("enabled", StringComparison.Ordinal))];
        if (enabled.Length > 0)
            root.Systemctl.Run(["disable", "--quiet", .. enabled]);
    }

    /// <summary>Removes a file of settings.</summary>
    public void Remove(string path)
    {
        if (!GeneratedFile.Remove(path, purge))
            _kept.Add(path);
    }

    /// <summary>Reloads the service manager, and reports the files that were kept.</summary>
    public void Finish(ServiceRoot root)
    {
        root.RemoveSettingsFolder();
        if (root.IsRunning)
            root.Systemctl.Run("daemon-reload");
        foreach (string path in _kept)
            ServiceCommand.Say($"{path} stays, because 'kedge service install' has not made it, or it was changed since.");
    }
}
