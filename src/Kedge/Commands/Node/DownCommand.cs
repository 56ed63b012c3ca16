using System.CommandLine;
using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.Node.Routing;
using Kedge.Node.Uapi;
using Kedge.Protocol;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge down</c>: ends the processes of an interface, and removes the interface, its routes and rules, whether or not anything runs.
/// The
/// node stays a member of its zone, unless it is told to leave.
/// </summary>
internal sealed class DownCommand : Command
{
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LeaveTimeout = TimeSpan.FromSeconds(30);

    private readonly Option<string> _interface = InterfaceOption.Create();

    private readonly Option<bool> _leave = new("--leave")
    {
        Description = "Also leave the network: the controller forgets this node, and its keys are removed.",
    };

    private readonly NodePlaces _places = new();

    public DownCommand()
        : base("down", "End an interface: its processes, addresses, routes and rules.")
    {
        Options.Add(_interface);
        Options.Add(_leave);
        _places.AddTo(this);
        SetAction((call, _) => RunAsync(call));
    }

    private async Task<int> RunAsync(ParseResult call)
    {
        NodePlace place = _places.Of(call, call.GetRequiredValue(_interface));
        if (!Environment.IsPrivilegedProcess)
            throw new UserError("'kedge down' removes a network interface and routes: run it as root.");
        if (!Directory.Exists(place.Folder.Path))
        {
            IReadOnlyList<string> joined = NodeFolder.Joined(place.StateDirectory);
            throw new UserError(
                $"{place.Interface} is no interface of a zone: there is no {place.Folder.Path}. "
                + (joined.Count == 0 ? "This machine has joined none." : $"This machine has {string.Join(", ", joined)}."));
        }
        UserError? refusal = call.GetValue(_leave) ? await TryLeaveAsync(place) : null;
        place.Run.Create();
        End(ProcessLock.Holder(place.Run.UpLock)); // first: it would start the others again
        using ProcessLock? claim = ProcessLock.TryTake(place.Run.UpLock);
        End(ProcessLock.Holder(place.Run.LinkLock));
        if (UapiClient.FindProcess(place.RuntimeDirectory, place.Interface) is { } node && IsOurs(node, place.Interface))
            End(node);
        RemoveInterface(place);
        RemoveFiles(place);
        if (refusal is not null)
            throw refusal;
        if (call.GetValue(_leave))
            place.Folder.Delete();
        Console.Error.WriteLine(call.GetValue(_leave)
            ? $"kedge: {place.Interface} is down, and this node has left its network."
            : $"kedge: {place.Interface} is down. 'kedge up --interface {place.Interface}' takes it up again.");
        return 0;
    }

    private static async Task<UserError?> TryLeaveAsync(NodePlace place)
    {
        if (Membership.Read(place.Folder) is not { } membership || CertificateFile.Read(place.Folder.Certificate) is not { } certificate)
            return null;
        using NodeKeys keys = NodeKeys.Open(place.Folder, membership.Settings.PrivateKeyFile);
        using var client = new ControllerClient(membership.ControllerAddress, certificate.Node.Der, keys.Identity, TimeProvider.System);
        using var timeout = new CancellationTokenSource(LeaveTimeout);
        try
        {
            await client.LeaveAsync(timeout.Token);
            return null;
        }
        catch (Exception e) when (e is ControllerException or OperationCanceledException)
        {
            return new UserError(
                $"{place.Interface} is down, but the controller still has this node, and its keys are kept: {e.Message} "
                + "Try 'kedge down --leave' again, or have an administrator remove the node.", e);
        }
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

    private static void RemoveInterface(NodePlace place)
    {
        try
        {
            NetworkNamespace? inside = Membership.Read(place.Folder)?.Settings.NetworkNamespace is { } name ? NetworkNamespace.Open(name) : null;
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

    // What a process that was killed has left.
    private static void RemoveFiles(NodePlace place)
    {
        if (UapiClient.FindProcess(place.RuntimeDirectory, place.Interface) is null)
            File.Delete(place.Socket);
        File.Delete(place.Run.StatusSocket);
        File.Delete(place.Run.NodeLog);
        File.Delete(place.Run.LinkLog);
    }
}
