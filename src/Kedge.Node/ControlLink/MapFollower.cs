using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Node.Keys;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Keeps the map stream of a controller open, at whichever of its addresses leads to it, and applies what comes to the zone.
/// </summary>
/// <param name="folder">The node's folder.</param>
/// <param name="zone">The zone.</param>
/// <param name="keys">The node's keys; stay the caller's.</param>
/// <param name="reports">What the controller is told while the stream is open.</param>
/// <param name="device">Whom the node wants to be introduced to.</param>
/// <param name="names">Told when the map may name other STUN servers.</param>
/// <param name="problems">Receives why a node that is gone could not join again.</param>
/// <param name="log">Receives connections and their ends.</param>
internal sealed class MapFollower(
    NodeFolder folder,
    LinkedZone zone,
    NodeKeys keys,
    ControllerReports reports,
    DeviceWatch device,
    NameResolution names,
    Problems problems,
    ILogger log) : IDisposable
{
    /// <summary>
    /// The shortest time after which a node that was removed asks whether it is back, as after a backup was restored; twice that is the
    /// longest.
    /// </summary>
    private static readonly TimeSpan EndedInterval = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan HurryInterval = TimeSpan.FromSeconds(10);

    private const string Ended = "It has ended the connection.";

    private volatile ControllerConnection _connection =
        new(zone.Membership.HasController ? zone.Membership.ControllerAddress.Url.ToString() : "", Connected: false, Since: null, LastError: null);

    private readonly SemaphoreSlim _hurry = new(0, 1);
    private Instant _hurriedAt;
    private volatile CancellationTokenSource? _session;

    /// <summary>The connection to the controller. Any thread.</summary>
    public ControllerConnection Connection => _connection;

    /// <summary>Opens the stream anew, because the connection may be dead. Any thread.</summary>
    public void Reconnect()
    {
        try
        {
            _session?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <summary>
    /// Has the next attempt to connect begin now, because somebody needs the controller. Not often, so that many nodes do not come at once for
    /// long, and no sooner than the controller has asked for. Any thread.
    /// </summary>
    public void Hurry()
    {
        Instant now = BootClock.Now;
        if (now - _hurriedAt < HurryInterval)
            return;
        _hurriedAt = now;
        if (_hurry.CurrentCount == 0)
            _hurry.Release();
    }

    /// <inheritdoc/>
    public void Dispose() => _hurry.Dispose();

    /// <summary>Follows the stream until it is canceled, or until the node has joined again.</summary>
    /// <param name="renew">Called when the node has joined again: what is on disk is another membership.</param>
    /// <param name="ending">Cancels it.</param>
    public async Task RunAsync(Action renew, CancellationToken ending)
    {
        var backoff = new Backoff(Random.Shared);
        // Past the overlays of this machine, which may have a prefix that holds the controller; or through one, behind which it may be.
        bool isMarked = true;
        while (true)
        {
            StreamEnd end = await FollowAnyAsync(isMarked ? zone.Membership.Settings.Mark.Bit : 0, backoff, ending);
            string url = _connection.Url;
            _connection = new(url, Connected: false, DateTimeOffset.UtcNow, end.Sentence);
            if (end.Reason.EndsMembership())
            {
                if (end.Reason == RefusalReason.NodeUnknown && await TryJoinAgainAsync(ending))
                {
                    renew();
                    return;
                }
                zone.NoteMembership(end.Sentence); // which logs it once
                await Task.Delay(EndedInterval * (1 + Random.Shared.NextDouble()), ending); // hurrying is of no use here
                continue;
            }
            TimeSpan asked = end.RetryAfter ?? TimeSpan.Zero;
            TimeSpan wait = end.ReconnectWithin is { } spread ? backoff.Next(spread) : backoff.Next();
            isMarked ^= end.ReconnectWithin is null;
            Log.Disconnected(log, url, end.Sentence, Math.Round((asked + wait).TotalSeconds, 1));
            await Task.Delay(asked, ending);
            await _hurry.WaitAsync(wait, ending);
        }
    }

    /// <summary>Follows the stream at the first address of the controller that leads to it.</summary>
    private async Task<StreamEnd> FollowAnyAsync(uint mark, Backoff backoff, CancellationToken ending)
    {
        List<string> failures = [];
        foreach (ControllerAddress address in zone.Membership.ControllerAddresses)
        {
            try
            {
                using var client = new ControllerClient(address, zone.Certificate.Node.Der, keys.Identity, TimeProvider.System, mark);
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
    private async Task<bool> TryJoinAgainAsync(CancellationToken ending)
    {
        if (KeptJoinLine.TryRead(folder) is null)
            return false;
        try
        {
            var joining = new Joining(folder, sentence => Log.JoinsAnew(log, sentence), TimeProvider.System);
            await joining.JoinAsync(null, zone.Membership.Settings, ending);
            return true;
        }
        catch (UserError error)
        {
            problems.Set("join", $"This ephemeral node could not join again by itself. {error.Message}");
            return false;
        }
    }

    /// <summary>Follows the stream to its end.</summary>
    private async Task<StreamEnd> FollowAsync(ControllerClient client, string url, Backoff backoff, CancellationToken ending)
    {
        using CancellationTokenSource session = CancellationTokenSource.CreateLinkedTokenSource(ending);
        _session = session;
        List<Task> beside = [];
        try
        {
            await foreach (ReadOnlyMemory<byte> line in client.WatchAsync(zone.Position, session.Token))
            {
                if (beside.Count == 0)
                {
                    backoff.Succeeded();
                    zone.NoteMembership(null);
                    _connection = new(url, Connected: true, DateTimeOffset.UtcNow, LastError: null);
                    Log.Connected(log, url);
                    beside.Add(Forever(token => reports.RunAsync(client, token), session.Token));
                    beside.Add(Forever(token => device.IntroduceAsync(client, token), session.Token));
                }
                MapOutcome outcome = zone.Apply(line.Span);
                if (outcome == MapOutcome.Committed)
                    names.LookAgain();
                if (EndAfter(outcome) is { } end)
                    return end;
            }
            return new StreamEnd(Ended);
        }
        catch (OperationCanceledException) when (!ending.IsCancellationRequested)
        {
            return new StreamEnd("An address of this machine is gone.") { ReconnectWithin = TimeSpan.Zero };
        }
        finally
        {
            await session.CancelAsync();
            await Task.WhenAll(beside);
        }
    }

    private Task Forever(Func<CancellationToken, Task> run, CancellationToken session) =>
        BackgroundLoop.RunAsync(run, exception => Log.LinkFailed(log, exception), TimeProvider.System, session);

    /// <summary>Why the stream ends after a line; null if it goes on.</summary>
    private StreamEnd? EndAfter(MapOutcome outcome)
    {
        if (outcome == MapOutcome.Diverged)
            return new StreamEnd(Ended) { ReconnectWithin = TimeSpan.FromSeconds(1) };
        if (outcome != MapOutcome.Ending)
            return null;
        string name = zone.Membership.Name;
        return zone.EndReason switch
        {
            RefusalReason.NodeRemoved => new StreamEnd($"Node {name} was removed from this network.", zone.EndReason),
            RefusalReason.NodeUnknown => new StreamEnd($"Node {name} has another identity key by now.", zone.EndReason),
            _ => new StreamEnd(Ended) { ReconnectWithin = zone.ReconnectWithin },
        };
    }

    /// <summary>How a stream ended.</summary>
    /// <param name="Sentence">Why, for people.</param>
    /// <param name="Reason">Why, if the controller has said.</param>
    private sealed record StreamEnd(string Sentence, RefusalReason Reason = RefusalReason.None)
    {
        /// <summary>The time within which the controller wants nodes back; null if it has not said.</summary>
        public TimeSpan? ReconnectWithin { get; init; }

        /// <summary>After how long the controller wants to be asked again; null if it has not said.</summary>
        public TimeSpan? RetryAfter { get; init; }
    }
}
