using System.CommandLine;
using System.Globalization;
using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.Node.Dataplane;
using Kedge.Node.Routing;
using Kedge.Node.Supervision;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge up</c>: joins a zone and keeps it up. It supervises two processes, the node process and the control link, which outlive it:
/// whatever runs already is adopted, and whatever ends is started again. <c>kedge down</c> ends them. It stays in front, or, with
/// <c>--detach</c>, goes to the background once the interface is up.
/// </summary>
internal sealed class UpCommand : Command
{
    private static readonly TimeSpan FollowInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(10);

    /// <summary>How long a joined node may take until it is up: more than the start timeouts of both processes.</summary>
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(150);

    private readonly Option<string> _interface = InterfaceOption.Create();

    private readonly Option<bool> _detach = new("--detach", "-d")
    {
        Description = "Go to the background once the interface is up. A join that waits for an administrator is waited for in front. "
            + "'kedge logs' shows its log from then on.",
    };

    private readonly JoinSource _join = new();
    private readonly NetworkSource _network = new();
    private readonly NodeOptions _options = new();
    private readonly NodePlaces _places = new();

    private readonly Option<string> _logLevel = Setting.Choice(
        "--log-level", "KEDGE_LOG_LEVEL", LineLog.Levels, LineLog.DefaultLevel(), "How much to tell on standard error.");

    public UpCommand()
        : base("up", "Join a zone, or enter a network without a controller, and keep it up.")
    {
        Options.Add(_interface);
        Options.Add(_detach);
        _join.AddTo(this);
        _network.AddTo(this);
        _options.AddTo(this);
        _places.AddTo(this);
        Options.Add(_logLevel);
        SetAction((call, _) => RunAsync(call));
    }

    private async Task<int> RunAsync(ParseResult call)
    {
        ServiceNotification.KeepFromChildren();
        NodePlace place = _places.Of(call, call.GetRequiredValue(_interface));
        if (!Environment.IsPrivilegedProcess)
            throw new UserError("'kedge up' makes a network interface and routes: run it as root.");
        place.Folder.Create();
        place.Run.Create();
        using var ending = new CancellationTokenSource();
        using var signals = new EndSignals(ending.Cancel);
        if (!call.GetValue(_detach))
            return await SuperviseAsync(call, place, inBackground: false, ending.Token);
        return BackgroundProcess.IsThis
            ? await SuperviseAsync(call, place, inBackground: true, ending.Token)
            : await DetachAsync(call, place, ending.Token);
    }

    /// <summary>
    /// Joins, which may read standard input and wait for an administrator, and leaves the rest to a process in the background.
    /// </summary>
    private async Task<int> DetachAsync(ParseResult call, NodePlace place, CancellationToken ending)
    {
        try
        {
            using ProcessLock claim = Claim(place);
            await JoinAsync(call, place, ending);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            Say($"{place.Interface} is not up. 'kedge up' goes on with what was begun.");
            return 1;
        }
        if (!Background.Start(StartTimeout, ending))
        {
            Say($"{place.Interface} is not up.");
            return 1;
        }
        Say($"It goes on in the background. 'kedge logs {place.Interface}' shows its log, "
            + $"'kedge down --interface {place.Interface}' ends it.");
        return 0;
    }

    /// <summary>Takes the interface up and supervises it until it is cancelled. In the background the node has joined already.</summary>
    private async Task<int> SuperviseAsync(ParseResult call, NodePlace place, bool inBackground, CancellationToken ending)
    {
        var log = new LineLog(
            place.Interface, LineLog.ParseLevel(call.GetRequiredValue(_logLevel)), inBackground ? place.Run.UpLog : null);
        LogFollower[] logs = inBackground ? [] :
        [
            new(place.Run.NodeLog, Console.OpenStandardError()),
            new(place.Run.LinkLog, Console.OpenStandardError()),
        ];
        using ProcessLock claim = Claim(place);
        try
        {
            if (!inBackground)
                await JoinAsync(call, place, ending);
            foreach (LogFollower follower in logs)
                follower.SkipToEnd();
            Membership membership = Membership.Read(place.Folder)!;
            Start(place, membership.Settings, call.GetRequiredValue(_logLevel), log);
            Tell(place, membership);
            if (inBackground && StatusSocket.Ask(place.Run.StatusSocket) is { } status) // in front the log is followed, which has them
                foreach (string problem in status.Problems.Concat(status.Limits))
                    Say(problem);
            Background.DetachAndSignalReady();
            while (true)
            {
                foreach (LogFollower follower in logs)
                    follower.Poll();
                await Task.Delay(inBackground ? Timeout.InfiniteTimeSpan : FollowInterval, ending);
            }
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // As asked.
        }
        finally
        {
            foreach (LogFollower follower in logs)
                follower.Dispose();
        }
        ServiceNotification.Stopping();
        string end = $"{place.Interface} goes on without supervision, if it was up. "
            + $"'kedge up --interface {place.Interface}' takes it over again, 'kedge down --interface {place.Interface}' ends it.";
        if (inBackground)
            Log.SupervisionEnds(log, end);
        else
            Say(end);
        return 0;
    }

    /// <summary>Joins, or changes what was asked for, and ends a control link that runs with other settings.</summary>
    private async Task JoinAsync(ParseResult call, NodePlace place, CancellationToken ending)
    {
        Membership? before = Membership.Read(place.Folder);
        NodeSettings settings = _options.Apply(call, before?.Settings ?? new NodeSettings());
        RefuseMove(before, settings, place);
        await PortWait.WaitAsync(place, _options.AskedPort(call), Say, ending);
        NetworkNamespace? inside = Namespace(settings);
        JoinLine? line = _join.Read(call);
        if (before is not null && line is not null && HasOtherToken(before, line) && FindOverlap(before, place, inside) is not null)
            await LeaveUnusableAsync(before, place);
        NetworkFiles? files = _network.Read(call, before);
        if (files is not null)
            EndLink(place); // it would write what it knows over what is entered
        Membership membership = files is not null
            ? NetworkEntry.Enter(place.Folder, files, settings)
            : await new Joining(place.Folder, Say, TimeProvider.System).JoinAsync(line, settings, ending);
        if (FindOverlap(membership, place, inside) is { } conflict)
            throw conflict.ToError(membership.ZoneName);
        if (before is not null && (membership.NodeId != before.NodeId || !SameSettings(before.Settings, settings)))
            EndLink(place); // it reads its settings at its start
    }

    private static bool HasOtherToken(Membership before, JoinLine line) =>
        line.TokenId is not null && before.Token is not null && line.TokenId != before.Token;

    /// <summary>Leaves a zone that cannot be up on this machine, because the join line may be of another: a node is in one zone.</summary>
    private static async Task LeaveUnusableAsync(Membership before, NodePlace place)
    {
        if ((await Leaving.LeaveAsync(place.Folder)).Refusal is { } refusal)
        {
            throw new UserError(
                $"The node {before.Name} could not leave zone {before.ZoneName}, which overlaps with networks of this machine: {refusal}");
        }
        Say($"The node {before.Name} has left zone {before.ZoneName}, which overlaps with networks of this machine.");
        File.Delete(place.Folder.Membership);
        File.Delete(place.Folder.Certificate);
        place.Folder.DeleteMap();
    }

    private static NetworkNamespace? Namespace(NodeSettings settings) =>
        settings.NetworkNamespace is { } name ? TunInterface.FindNamespace(name) : null;

    private static void Say(string sentence) => Console.Error.WriteLine($"kedge: {sentence}");

    private static ProcessLock Claim(NodePlace place)
    {
        try
        {
            return ProcessLock.TryTake(place.Run.UpLock) ?? throw new UserError(
                $"{place.Interface} is supervised already, by process {ProcessLock.Holder(place.Run.UpLock)?.Id}. "
                + $"'kedge status {place.Interface}' shows it, 'kedge set --interface {place.Interface}' changes its settings, and "
                + $"'kedge down --interface {place.Interface}' ends it.");
        }
        catch (LinuxException e)
        {
            throw new UserError($"{e.Message}. Choose another folder with --run-dir.", e);
        }
    }

    // An interface cannot be taken from one namespace to another without those who use it noticing.
    private static void RefuseMove(Membership? before, NodeSettings settings, NodePlace place)
    {
        bool runs = UapiClient.FindProcess(place.RuntimeDirectory, place.Interface) is not null;
        if (before is not null && runs && before.Settings.NetworkNamespace != settings.NetworkNamespace)
        {
            string where = before.Settings.NetworkNamespace is { } name ? $"in the network namespace {name}" : "in no namespace of its own";
            throw new UserError(
                $"{place.Interface} is {where}. "
                + $"To move it, end it first with 'kedge down --interface {place.Interface}'.");
        }
    }

    private static RoutingConflict? FindOverlap(Membership membership, NodePlace place, NetworkNamespace? inside)
    {
        IEnumerable<IpPrefix> prefixes = membership.ZonePrefixes
            .Select(text => IpPrefix.TryParse(text, out IpPrefix prefix) ? prefix : default)
            .Where(prefix => !prefix.IsNone);
        return RoutingConflict.Find(prefixes, place.Interface, inside);
    }

    private static bool SameSettings(NodeSettings a, NodeSettings b) =>
        a with { RequestedAddresses = [], ChildPrefixes = [], LocalEndpointAddresses = [] }
            == b with { RequestedAddresses = [], ChildPrefixes = [], LocalEndpointAddresses = [] }
        && a.RequestedAddresses.SequenceEqual(b.RequestedAddresses)
        && a.ChildPrefixes.SequenceEqual(b.ChildPrefixes)
        && a.LocalEndpointAddresses.SequenceEqual(b.LocalEndpointAddresses);

    private static void EndLink(NodePlace place)
    {
        if (ProcessLock.Holder(place.Run.LinkLock) is not { } identity)
            return;
        using ProcessHandle? handle = ProcessHandle.Open(identity);
        handle?.End(EndTimeout);
    }

    private static void Start(NodePlace place, NodeSettings settings, string logLevel, LineLog log)
    {
        var supervisor = new Supervisor(Environment.ProcessPath!, log);
        string[] shared = ["--runtime-dir", place.RuntimeDirectory, "--state-dir", place.StateDirectory, "--log-level", logLevel];
        string[] inNamespace = settings.NetworkNamespace is { } name ? ["--netns", name] : [];
        var node = new SupervisedProcess(
            "node process",
            [
                "kedge", "wg", place.Interface, "--persistent", "--restore",
                "--private-key-file", settings.PrivateKeyFile ?? place.Folder.Keys.WireGuardKey,
                "--mtu", settings.Mtu.ToString(CultureInfo.InvariantCulture),
                .. inNamespace, .. shared, "--log-file", place.Run.NodeLog,
            ],
            place.Run.NodeLog,
            () => UapiClient.FindProcess(place.RuntimeDirectory, place.Interface));
        var link = new SupervisedProcess(
            "control link",
            ["kedge", "link", place.Interface, .. shared, "--run-dir", place.RunDirectory, "--log-file", place.Run.LinkLog],
            place.Run.LinkLog,
            () => ProcessLock.Holder(place.Run.LinkLock));
        try
        {
            supervisor.Keep(node);
            supervisor.Keep(link);
        }
        catch
        {
            supervisor.EndStarted();
            throw;
        }
    }

    private static void Tell(NodePlace place, Membership membership)
    {
        string addresses = string.Join(", ", membership.Addresses);
        string children = membership.ChildPrefixes.Count == 0 ? ""
            : $", and the networks {string.Join(", ", membership.ChildPrefixes)} behind it";
        Say($"{place.Interface} is up: node '{membership.Name}' of zone '{membership.ZoneName}' has {addresses}{children}.");
        ServiceNotification.Ready($"Node {membership.Name} of zone {membership.ZoneName}, {addresses}");
        if (membership.DescribeWaiting() is { } waiting)
            Say(waiting);
        IpPrefix[] prefixes = [.. membership.ChildPrefixes.Select(text => IpPrefix.Parse(text))];
        if (prefixes.Length == 0)
            return;
        foreach (ForwardingFinding finding in Forwarding.Check(
            place.Interface,
            prefixes.Any(prefix => prefix.Address.IsIPv4),
            prefixes.Any(prefix => prefix.Address.IsIPv6),
            Namespace(membership.Settings)))
        {
            Say($"The networks behind this node cannot be reached by the others. {finding.Problem} Allow it with:\n    {finding.Command}");
        }
    }
}
