using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;
using Kedge.Node.PortMapping;
using Kedge.Node.Routing;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// The control link of one joined zone, as a process: it follows the map of the controller, and keeps the node process, the routes and
/// the disk
/// at what the map says. It starts from what is on disk, and whatever goes away later (the controller, the node process, the disk) it
/// goes on
/// with the rest. Killed at any moment it loses no packet, because none passes through it.
/// </summary>
public sealed class ControlLink : IDisposable
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TellInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ResolveInterval = TimeSpan.FromMinutes(5);

    /// <summary>
    /// The shortest time after which a node that was removed asks whether it is back, as after a backup was restored; twice that is the
    /// longest.
    /// </summary>
    private static readonly TimeSpan EndedInterval = TimeSpan.FromSeconds(30);

    /// <summary>Who deletes one route often deletes more of them: they are put back together.</summary>
    private static readonly TimeSpan SettleTime = TimeSpan.FromMilliseconds(50);

    /// <summary>What a fight with another program about routes costs is bounded by this.</summary>
    private static readonly TimeSpan PutBackInterval = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan WatchAgainAfter = TimeSpan.FromMilliseconds(200);

    private const int MostIntroductions = 64; // that wait; older ones are of no more use
    private const int IntroductionsAtOnce = 8;

    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ResubscribeInterval = TimeSpan.FromSeconds(5);

    private const string Ended = "It has ended the connection.";

    private readonly NodeFolder _folder;
    private readonly RunFolder _run;
    private readonly NodeKeys _keys;
    private readonly LinkedZone _zone;
    private readonly PortMapper _portMapper;
    private readonly RenewalSchedule _renewal;
    private readonly Problems _problems;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _renewing = new();
    private readonly SemaphoreSlim _toTell = new(0, 1);
    private readonly Channel<DeviceEvent> _wishes = Channel.CreateBounded<DeviceEvent>(
        new BoundedChannelOptions(MostIntroductions) { FullMode = BoundedChannelFullMode.DropOldest });

    private volatile ControllerConnection _connection;

    /// <summary>Puts the parts together; nothing happens before <see cref="RunAsync"/>.</summary>
    /// <param name="folder">The node's folder: it has joined.</param>
    /// <param name="run">The interface's runtime folder, which exists.</param>
    /// <param name="runtimeDirectory">Where the node process's socket is.</param>
    /// <param name="log">Where is told what happens.</param>
    /// <exception cref="UserError">The interface has not joined, or what is on disk cannot be used.</exception>
    public ControlLink(NodeFolder folder, RunFolder run, string runtimeDirectory, ILogger log)
    {
        Membership membership = Membership.Read(folder) ?? throw NotJoined(folder, "has not joined a network");
        CertificateFile certificate = CertificateFile.Read(folder.Certificate) ?? throw NotJoined(folder, "has no certificate yet");
        (_folder, _run, _log) = (folder, run, log);
        _problems = new Problems(log);
        _keys = NodeKeys.Open(folder, membership.Settings.PrivateKeyFile);
        if (!_keys.IsIdentityOf(certificate))
            throw Joining.LostIdentity(folder);
        var process = new NodeProcess(runtimeDirectory, folder.InterfaceName, _problems);
        _portMapper = new PortMapper(_keys.WireGuardKey, log);
        _zone = new LinkedZone(folder, membership, certificate, _keys, process, new VerifiedCertificates(), _portMapper, _problems, log);
        _renewal = new RenewalSchedule(Random.Shared);
        _renewal.Plan(certificate.Node, DateTimeOffset.UtcNow);
        _connection = new ControllerConnection(membership.ControllerAddress.Url.ToString(), Connected: false, Since: null, LastError: null);
    }

    /// <summary>Runs until it is cancelled, or until what the node has joined is another than it started with.</summary>
    /// <param name="ready">Called once the node process and the routes are as the map on disk has them.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>Whether another link is to be made from what is on disk by now.</returns>
    /// <exception cref="UserError">Another control link has the interface.</exception>
    public async Task<bool> RunAsync(Action ready, CancellationToken cancellation)
    {
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _renewing.Token);
        CancellationToken ending = both.Token;
        using ProcessLock claim = ProcessLock.TryTake(_run.LinkLock)
            ?? throw new UserError($"Another control link runs for this interface, process {ProcessLock.Holder(_run.LinkLock)?.Id}. 'kedge down' ends it.");
        await using var status = new StatusSocket(
            _run.StatusSocket, () => _zone.Status(_connection, _renewal.DueAt), TimeProvider.System, _log);
        await Task.WhenAll(
            Forever(() => TickAsync(ready, ending), ending),
            Forever(() => ResolveAsync(ending), ending),
            Forever(() => _portMapper.RunAsync(ending), ending),
            Forever(() => WatchRoutesAsync(ending), ending),
            Forever(() => WatchDeviceAsync(ending), ending),
            Forever(() => CheckHostAsync(ending), ending),
            Forever(() => FollowAsync(ending), ending));
        return !cancellation.IsCancellationRequested;
    }

    /// <summary>Has <see cref="RunAsync"/> end, because the settings on disk have changed. Any thread.</summary>
    public void Renew()
    {
        try
        {
            _renewing.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _zone.Dispose();
        _portMapper.Dispose();
        _keys.Dispose();
        _renewing.Dispose();
        _toTell.Dispose();
    }

    private static UserError NotJoined(NodeFolder folder, string what) =>
        new($"{folder.InterfaceName} {what}: there is nothing to run it with in {folder.Path}. Join with 'kedge up --interface {folder.InterfaceName} --join-file FILE'.");

    // A defect in one part must not end the others.
    private Task Forever(Func<Task> run, CancellationToken ending) =>
        BackgroundLoop.RunAsync(_ => run(), exception => Log.LinkFailed(_log, exception), TimeProvider.System, ending);

    private async Task TickAsync(Action ready, CancellationToken ending)
    {
        bool wasReady = false;
        while (true)
        {
            _zone.Tick();
            if (!wasReady && _zone.IsReady)
            {
                wasReady = true;
                ready();
            }
            // Until it is ready somebody waits for it.
            await Task.Delay(wasReady ? TickInterval : TickInterval / 10, ending);
        }
    }

    /// <summary>Has what another program takes away of addresses, routes and rules put back.</summary>
    private Task WatchRoutesAsync(CancellationToken ending) => DedicatedThread.RunAsync(
        "routes",
        () =>
        {
            using RouteWatch? watch = TryWatchRoutes();
            using CancellationTokenRegistration registration = ending.Register(() => watch?.Cancel());
            while (watch?.Wait() == true)
            {
                ending.WaitHandle.WaitOne(SettleTime);
                _zone.PutBackRoutes();
                ending.WaitHandle.WaitOne(PutBackInterval);
            }
            if (watch is null)
                ending.WaitHandle.WaitOne(ResubscribeInterval);
        });

    /// <summary>
    /// Follows what happens in the node process: whom it wants to be introduced to, and where it is seen from now, which the others are told at
    /// once.
    /// </summary>
    private async Task WatchDeviceAsync(CancellationToken ending)
    {
        try
        {
            await foreach (DeviceEvent happened in _zone.WatchDeviceAsync(ending))
            {
                if (happened.Peer is not null)
                {
                    _wishes.Writer.TryWrite(happened);
                    continue;
                }
                _zone.Tick();
                if (_toTell.CurrentCount == 0)
                    _toTell.Release();
            }
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            // It does not run just now.
        }
        await Task.Delay(WatchAgainAfter, ending);
    }

    /// <summary>Has the controller introduce this node to the peers that it wants to reach, while the stream is open.</summary>
    private Task IntroduceAsync(ControllerClient client, CancellationToken session) => Parallel.ForEachAsync(
        _wishes.Reader.ReadAllAsync(session),
        new ParallelOptions { MaxDegreeOfParallelism = IntroductionsAtOnce, CancellationToken = session },
        async (wish, cancellation) =>
        {
            if (_zone.IntroductionFor(wish) is not { } introduction)
                return;
            try
            {
                await client.IntroduceAsync(introduction, cancellation);
            }
            catch (ControllerException exception)
            {
                Log.NotIntroduced(_log, exception.Message);
            }
        });

    /// <summary>Looks from time to time whether the machine still lets packets pass.</summary>
    private async Task CheckHostAsync(CancellationToken ending)
    {
        var checks = new HostChecks(_zone.InterfaceName, _problems);
        while (!_zone.IsReady)
            await Task.Delay(TickInterval / 10, ending);
        for (; ; await Task.Delay(CheckInterval, ending))
        {
            Membership membership = _zone.Membership;
            try
            {
                NetworkNamespace? inside = membership.Settings.OpenNamespace();
                IpPrefix[] childPrefixes = [.. membership.ChildPrefixes.Select(text => IpPrefix.Parse(text))];
                await Task.Run(() => checks.CheckForwarding(childPrefixes, inside), ending);
                if (inside is null)
                    checks.CheckSources(_zone.Below.Port, membership.Settings.Mark, _zone.Below.Endpoints);
            }
            catch (LinuxException)
            {
                // The namespace, or the interface, is gone just now; that is told elsewhere.
            }
        }
    }

    // Null while the interface's namespace does not exist.
    private RouteWatch? TryWatchRoutes()
    {
        try
        {
            return new RouteWatch(_zone.InterfaceName, _zone.Membership.Settings.OpenNamespace());
        }
        catch (LinuxException)
        {
            return null;
        }
    }

    /// <summary>Finds the addresses of the controller and of the STUN servers. What cannot be found keeps the addresses that it
    /// had.</summary>
    private async Task ResolveAsync(CancellationToken ending)
    {
        Dictionary<string, IPAddress[]> known = [];
        while (true)
        {
            string[] names = [.. _zone.StunServerNames], hosts = ControllerHosts();
            List<Endpoint> servers = [];
            List<IpAddress> controller = [];
            foreach (string host in hosts)
                controller.AddRange(await FindAsync(host));
            foreach (string name in names)
            {
                if (TrySplit(name, out string host, out ushort port))
                    servers.AddRange((await FindAsync(host)).Select(address => new Endpoint(address, port)));
            }
            _zone.UseUnderlay(controller, [.. servers.Where(StunClient.CanAsk).Distinct().Take(StunClient.MaximumServers)]);
            // Again when the map names others, and from time to time.
            TimeSpan waited = default;
            while (waited < ResolveInterval && _zone.StunServerNames.SequenceEqual(names) && ControllerHosts().SequenceEqual(hosts))
            {
                await Task.Delay(TickInterval, ending);
                waited += TickInterval;
            }
        }

        string[] ControllerHosts() => [.. _zone.Membership.ControllerAddresses.Select(address => address.Url.IdnHost).Distinct()];

        async Task<IpAddress[]> FindAsync(string host)
        {
            try
            {
                known[host] = await Dns.GetHostAddressesAsync(host.Trim('[', ']'), ending);
            }
            catch (SocketException)
            {
                // The names' server may be away just now.
            }
            return [.. known.GetValueOrDefault(host, []).Select(address => IpAddress.FromBytes(address.GetAddressBytes()))];
        }
    }

    private static bool TrySplit(string server, out string host, out ushort port)
    {
        int colon = server.LastIndexOf(':');
        host = colon < 0 ? server : server[..colon];
        port = 0;
        return colon > 0 && ushort.TryParse(server[(colon + 1)..], out port) && port != 0;
    }

    /// <summary>Keeps the map stream open.</summary>
    private async Task FollowAsync(CancellationToken ending)
    {
        var backoff = new Backoff(Random.Shared);
        // Past the overlays of this machine, which may have a prefix that holds the controller; or through one, behind which it may be.
        bool isMarked = true;
        while (true)
        {
            StreamEnd end = await FollowAnyAsync(isMarked ? _zone.Membership.Settings.Mark.Bit : 0, backoff, ending);
            string url = _connection.Url;
            _connection = new(url, Connected: false, DateTimeOffset.UtcNow, end.Sentence);
            TimeSpan wait;
            if (end.Reason.EndsMembership())
            {
                if (end.Reason == RefusalReason.NodeUnknown && await TryJoinAnewAsync(ending))
                {
                    Renew();
                    return;
                }
                _zone.NoteMembership(end.Sentence); // which logs it once
                wait = EndedInterval * (1 + Random.Shared.NextDouble());
            }
            else
            {
                wait = (end.ReconnectWithin is { } spread ? backoff.Next(spread) : backoff.Next()) + (end.RetryAfter ?? TimeSpan.Zero);
                isMarked ^= end.ReconnectWithin is null;
                Log.Disconnected(_log, url, end.Sentence, Math.Round(wait.TotalSeconds, 1));
            }
            await Task.Delay(wait, ending);
        }
    }

    /// <summary>Follows the stream at the first address of the controller that leads to it.</summary>
    private async Task<StreamEnd> FollowAnyAsync(uint mark, Backoff backoff, CancellationToken ending)
    {
        List<string> failures = [];
        foreach (ControllerAddress address in _zone.Membership.ControllerAddresses)
        {
            try
            {
                using var client = new ControllerClient(address, _zone.Certificate.Node.Der, _keys.Identity, TimeProvider.System, mark);
                return await FollowAsync(client, address.Url.ToString(), backoff, ending);
            }
            catch (ControllerException exception) when (exception.Status is not null || _connection.Connected)
            {
                return new StreamEnd(exception.Message, exception.Reason) { RetryAfter = exception.RetryAfter };
            }
            catch (ControllerException exception)
            {
                failures.Add(exception.Message);
            }
        }
        return new StreamEnd(string.Join(' ', failures));
    }

    /// <summary>Has an ephemeral node that the controller has removed for its absence join by the line that it keeps for that.</summary>
    private async Task<bool> TryJoinAnewAsync(CancellationToken ending)
    {
        if (KeptJoinLine.TryRead(_folder) is null)
            return false;
        try
        {
            var joining = new Joining(_folder, sentence => Log.JoinsAnew(_log, sentence), TimeProvider.System);
            await joining.JoinAsync(null, _zone.Membership.Settings, ending);
            return true;
        }
        catch (UserError error)
        {
            _problems.Set("join", $"This ephemeral node could not join again by itself. {error.Message}");
            return false;
        }
    }

    /// <summary>Follows the stream to its end.</summary>
    private async Task<StreamEnd> FollowAsync(ControllerClient client, string url, Backoff backoff, CancellationToken ending)
    {
        using CancellationTokenSource session = CancellationTokenSource.CreateLinkedTokenSource(ending);
        List<Task> beside = [];
        try
        {
            await foreach (ReadOnlyMemory<byte> line in client.WatchAsync(_zone.Position, session.Token))
            {
                if (beside.Count == 0)
                {
                    backoff.Succeeded();
                    _zone.NoteMembership(null);
                    _connection = new(url, Connected: true, DateTimeOffset.UtcNow, LastError: null);
                    Log.Connected(_log, url);
                    beside.Add(Forever(() => TellAsync(client, session.Token), session.Token));
                    beside.Add(Forever(() => IntroduceAsync(client, session.Token), session.Token));
                }
                MapOutcome outcome = _zone.Apply(line.Span);
                if (outcome == MapOutcome.Ending)
                {
                    string name = _zone.Membership.Name;
                    return _zone.EndReason switch
                    {
                        RefusalReason.NodeRemoved => new StreamEnd($"Node {name} was removed from this network.", _zone.EndReason),
                        RefusalReason.NodeUnknown => new StreamEnd($"Node {name} has another identity key by now.", _zone.EndReason),
                        _ => new StreamEnd(Ended) { ReconnectWithin = _zone.ReconnectWithin },
                    };
                }
                if (outcome == MapOutcome.Diverged)
                    return new StreamEnd(Ended) { ReconnectWithin = TimeSpan.FromSeconds(1) };
            }
            return new StreamEnd(Ended);
        }
        finally
        {
            await session.CancelAsync();
            await Task.WhenAll(beside);
        }
    }

    /// <summary>Tells the controller what it should know, and asks for a new certificate when it is time, while the stream is
    /// open.</summary>
    private async Task TellAsync(ControllerClient client, CancellationToken session)
    {
        EndpointReport? reported = null;
        MapAcknowledgement? acknowledged = null;
        Guid answered = _zone.Question;
        while (true)
        {
            // What could not be told is told as it is by the next time.
            EndpointReport report = _zone.Report();
            if (reported is null || !report.Endpoints.SequenceEqual(reported.Endpoints))
                reported = await TryTellAsync("endpoints", () => client.ReportEndpointsAsync(report, session), session) ? report : reported;
            if (_zone.AcknowledgementAfter(acknowledged) is { } acknowledgement)
                acknowledged = await TryTellAsync("acknowledgement", () => client.AcknowledgeAsync(acknowledgement, session), session) ? acknowledgement : acknowledged;
            if (_zone.Question is var question && question != answered)
                answered = await TryTellAsync("answer", () => client.AnswerAsync(new StreamAnswer(question), session), session) ? question : answered;
            if (_renewal.IsDue(DateTimeOffset.UtcNow))
                await RenewAsync(client, session);
            await _toTell.WaitAsync(TellInterval, session);
        }
    }

    private async Task RenewAsync(ControllerClient client, CancellationToken session)
    {
        NodeCertificate before = _zone.Certificate.Node;
        bool renewed = await TryTellAsync(
            "renewal",
            async () =>
            {
                EnrolmentResult result = await client.RenewAsync(await Task.Run(_zone.MakeRenewal, session), session);
                if (result.Certificate is { } text)
                    _zone.TryRenew(Convert.FromBase64String(text), [.. result.Authorities.Select(Convert.FromBase64String)]);
            },
            session);
        NodeCertificate now = _zone.Certificate.Node;
        if (renewed && now.Fingerprint != before.Fingerprint)
            _renewal.Plan(now, DateTimeOffset.UtcNow);
        else
            _renewal.Retry(DateTimeOffset.UtcNow);
    }

    /// <summary>Tells the controller something, and waits where it wants to be asked later.</summary>
    private async Task<bool> TryTellAsync(string what, Func<Task> tell, CancellationToken session)
    {
        try
        {
            await tell();
            _problems.Set(what, null);
            return true;
        }
        catch (Exception e) when (e is ControllerException or FormatException or UserError)
        {
            _problems.Set(what, $"The controller did not take this node's {what}: {e.Message}");
            if (e is ControllerException { RetryAfter: { } wait })
                await Task.Delay(wait, session);
            return false;
        }
    }

    /// <summary>How a stream ended.</summary>
    /// <param name="Sentence">Why, for people.</param>
    /// <param name="Reason">Why, where the controller has said.</param>
    private sealed record StreamEnd(string Sentence, RefusalReason Reason = RefusalReason.None)
    {
        /// <summary>The time within which the controller wants nodes back; null where it has not said.</summary>
        public TimeSpan? ReconnectWithin { get; init; }

        /// <summary>After how long the controller wants to be asked again; null where it has not said.</summary>
        public TimeSpan? RetryAfter { get; init; }
    }
}
