using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.Node.Routing;
using Kedge.Node.Supervision;
using Kedge.Node.Uapi;
using Kedge.Protocol;

namespace Kedge.Commands.Node;

/// <summary>Ends a joined interface: its processes, addresses, routes and rules. Keys, certificate and map stay.</summary>
internal static class InterfaceTeardown
{
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Ends it, whether or not anything runs. Blocks.</summary>
    /// <param name="place">Where its files are.</param>
    /// <param name="mayBeDamaged">Whether it is also ended where what it has joined cannot be read.</param>
    /// <returns>Whether systemd ran it.</returns>
    /// <exception cref="UserError">The interface cannot be removed.</exception>
    public static bool Run(NodePlace place, bool mayBeDamaged = false)
    {
        place.Run.Create();
        End(ProcessLock.Holder(place.Run.UpLock)); // first: it would start the others again
        using ProcessLock? claim = ProcessLock.TryTake(place.Run.UpLock);
        bool isService = StopUnits(place);
        End(ProcessLock.Holder(place.Run.LinkLock));
        if (UapiClient.FindProcess(place.RuntimeDirectory, place.Interface) is { } node && IsOurs(node, place.Interface))
            End(node);
        RemoveInterface(place, mayBeDamaged);
        RemoveFiles(place);
        return isService;
    }

    // The manager would start again what is ended here.
    private static bool StopUnits(NodePlace place)
    {
        if (!Systemctl.IsBooted || place.RunDirectory != RunFolder.DefaultRunDirectory)
            return false;
        var systemctl = new Systemctl();
        string[] running =
        [
            .. Systemctl.NodeUnits(place.Interface).Where(unit => systemctl.Show(unit) is { ActiveState: not ("inactive" or "failed") }),
        ];
        if (running.Length > 0)
            systemctl.Run(["stop", .. running]);
        return running.Length > 0;
    }

    private static void End(ProcessIdentity? process)
    {
        if (process is not { } identity)
            return;
        using ProcessHandle? handle = ProcessHandle.Open(identity);
        handle?.End(EndTimeout);
    }

    /// <summary>Whether a process that has the interface's socket is a node process of ours, and no other device of that name.</summary>
    private static bool IsOurs(ProcessIdentity process, string interfaceName)
    {
        try
        {
            string[] words = File.ReadAllText($"/proc/{process.Id}/cmdline").Split('\0');
            return words.Contains("wg") && words.Contains(interfaceName) && words.Contains("--persistent");
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static void RemoveInterface(NodePlace place, bool mayBeDamaged)
    {
        try
        {
            string? name = ReadNamespace(place, mayBeDamaged);
            NetworkNamespace? inside = name is null ? null : NetworkNamespace.Open(name);
            using Router router = Router.Open(inside);
            router.Delete(place.Interface);
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT)
        {
            // The namespace is gone, and the interface with it.
        }
        catch (LinuxException e)
        {
            throw new UserError($"{place.Interface} could not be removed: {e.Message}.", e);
        }
    }

    private static string? ReadNamespace(NodePlace place, bool mayBeDamaged)
    {
        try
        {
            return Membership.Read(place.Folder)?.Settings.NetworkNamespace;
        }
        catch (UserError) when (mayBeDamaged)
        {
            return null;
        }
    }

    // What a process that was killed has left.
    private static void RemoveFiles(NodePlace place)
    {
        if (UapiClient.FindProcess(place.RuntimeDirectory, place.Interface) is null)
            File.Delete(place.Socket);
        File.Delete(place.Run.StatusSocket);
        foreach (string log in place.Run.Logs)
        {
            File.Delete(log);
            File.Delete(log + ".1");
        }
    }
}
