using System.Diagnostics.CodeAnalysis;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Push;

/// <summary>
/// Tells the nodes of one zone what they are to know. It follows the store: a change is read once, told once, and shared by all streams, each
/// of which is nothing but a position in its <see cref="ZoneContent"/>. While the zone is quiet, a change is told after a moment in which
/// those that belong to it come as well, and a removal at once. What follows is gathered: see <see cref="Pause"/>. Any thread.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A cancellation source without a timer holds nothing that has to be disposed.")]
internal sealed class ZoneFeed
{
    /// <summary>How long a change waits for others even in a quiet zone: a node that joins also says where it is reached.</summary>
    public static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(20);

    /// <summary>The shortest and longest time between two times of telling, for which changes are gathered.</summary>
    public static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromMilliseconds(500);

    /// <summary>How many writes a second a zone may cost while nodes come and go all the time: each time of telling is one to every stream.</summary>
    public const int MostWritesPerSecond = 5000;

    /// <summary>How long to wait after the store could not be read, and how often that may happen before the streams end.</summary>
    public static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    /// <inheritdoc cref="RetryInterval"/>
    public const int MostFailures = 3;

    /// <summary>
    /// From how many revisions ago a stream goes on after a restart. Who is further behind is sent the snapshot that all share, so that nobody
    /// makes the controller read the whole history.
    /// </summary>
    public const int MostResumedRevisions = 10_000;

    private readonly Guid _zone;
    private readonly PushSources _sources;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly ZoneContent _content;
    private readonly StreamSet _streams = new();
    private readonly CancellationTokenSource _ending = new();
    private PendingChanges _pending = new();
    private bool _isPublishing;
    private long _publishedAt; // timestamp
    private bool _isBroken;

    private ZoneFeed(Guid zone, PushSources sources, ILogger log) =>
        (_zone, _sources, _log, _content) = (zone, sources, log, new ZoneContent(sources, log));

    /// <summary>Its zone.</summary>
    public Guid Zone => _zone;

    /// <summary>Names the sequence that this feed counts its changes in.</summary>
    public Guid Epoch { get; } = Guid.NewGuid();

    /// <summary>Whether it has ended: it serves nobody any more, and another has to be made.</summary>
    public bool IsBroken
    {
        get
        {
            lock (_lock)
                return _isBroken;
        }
    }

    /// <summary>How far it is.</summary>
    public FeedHead Head
    {
        get
        {
            lock (_lock)
                return _content.Head;
        }
    }

    /// <summary>How many segments it keeps, beside the snapshot.</summary>
    public int KeptSegments
    {
        get
        {
            lock (_lock)
                return _content.KeptSegments;
        }
    }

    /// <summary>The streams that it serves.</summary>
    public IReadOnlyList<MapSubscription> Streams
    {
        get
        {
            lock (_lock)
                return [.. _streams.All];
        }
    }

    /// <summary>Makes the feed of a zone. It is to be told of changes from now on, and is of use once it is loaded.</summary>
    public static ZoneFeed Create(Guid zone, PushSources sources, ILogger log) => new(zone, sources, log);

    /// <summary>Reads the zone and begins to follow it.</summary>
    /// <returns>False where there is no such zone.</returns>
    /// <exception cref="StoreException">The store cannot be read.</exception>
    public async Task<bool> LoadAsync(CancellationToken cancellation)
    {
        TrustResource trust = _sources.Trust(); // never newer than the nodes: see PublishAsync
        MapZone? zone = await _sources.Map.ReadZoneAsync(_zone, cancellation);
        if (zone is null)
        {
            End();
            return false;
        }
        lock (_lock)
            _content.Load(zone, trust);
        _ = PublishAsync();
        return true;
    }

    /// <summary>The store has come to a revision with changes, or none, for this zone.</summary>
    public void Stage(long revision, IEnumerable<MapChange> changes)
    {
        lock (_lock)
        {
            _pending.Revision = Math.Max(_pending.Revision, revision);
            foreach (MapChange change in changes)
                _pending.Add(change);
            if (_pending.IsEmpty)
                AdvanceIfIdle();
            else
                _pending.Signal();
        }
    }

    /// <summary>The store no longer knows what has changed: the zone is read anew.</summary>
    public void StageAll(long revision) => Stage(revision, [new MapChange(revision, _zone, MapSubject.Zone, _zone, false), .. AllNodes(revision)]);

    /// <summary>A node is reached elsewhere.</summary>
    public void StageEndpoints(Guid node)
    {
        lock (_lock)
        {
            _pending.Endpoints.Add(node);
            _pending.Signal();
        }
    }

    /// <summary>Adds a stream. A node that the feed does not know as it says to be is looked at again, and the stream ends if it should not be.</summary>
    /// <returns>False where the feed has ended.</returns>
    public bool Add(MapSubscription stream)
    {
        lock (_lock)
        {
            if (_isBroken)
                return false;
            _streams.Add(stream);
            // The oldest of too many go: their node has come back before the end of the old connection was noticed.
            MapSubscription[] open = [.. _streams.Of(stream.Node).Where(one => !one.IsClosing).OrderBy(one => one.Number)];
            foreach (MapSubscription old in open.SkipLast(MapSubscription.MostOfOneNode))
                old.Close();
            if (!IsWelcome(stream))
            {
                _pending.Nodes.Add(stream.Node);
                _pending.SignalUrgent();
            }
            return true;
        }
    }

    /// <summary>The streams of a node that is still as it was when it opened them.</summary>
    public IReadOnlyList<MapSubscription> StreamsOf(Guid node)
    {
        lock (_lock)
            return [.. _streams.Of(node).Where(stream => !stream.IsClosing && IsWelcome(stream))];
    }

    /// <summary>A stream has ended.</summary>
    public void Remove(MapSubscription stream)
    {
        lock (_lock)
            _streams.Remove(stream);
    }

    /// <summary>
    /// What brings a stream up to date that has the zone up to a position; null when it needs a snapshot. Who followed this feed before goes
    /// on in its sequence. Who followed another one, before a restart, is told what the store has noted since its revision, and where
    /// everybody is reached.
    /// </summary>
    /// <exception cref="StoreException">The store cannot be read.</exception>
    public async Task<Segment?> ResumeAsync(MapPosition from, CancellationToken cancellation)
    {
        if (from.Store != _sources.Map.StoreId || from.Revision <= 0)
            return null;
        lock (_lock)
        {
            if (from.Epoch == Epoch && from.Sequence <= _content.Head.Sequence)
                return _content.Delta(from.Sequence);
            if (from.Revision > _content.Head.Revision || from.Revision < _content.Head.Revision - MostResumedRevisions)
                return null;
            if (_content.FindResumption(from.Revision) is { } shared)
                return shared;
        }
        if (await _sources.Map.ReadChangesAsync(from.Revision, cancellation) is not { } changes)
            return null;
        lock (_lock)
            return _content.Resume(from.Revision, changes.Where(Concerns).Select(NameOf));
    }

    /// <summary>What comes after a number of the sequence; null for nothing yet. For a stream that has no map it is a snapshot.</summary>
    public Segment? Next(long? position)
    {
        lock (_lock)
            return position is { } from ? _content.Next(from) : _content.Snapshot();
    }

    /// <summary>Ends the feed, and its streams with a word of when to come back.</summary>
    public void End()
    {
        lock (_lock)
            _isBroken = true;
        _ending.Cancel();
        foreach (MapSubscription stream in Streams)
            stream.Close();
    }

    private void AdvanceIfIdle()
    {
        if (_pending.IsEmpty && !_isPublishing)
            _content.Advance(_pending.Revision);
    }

    private IEnumerable<MapChange> AllNodes(long revision)
    {
        lock (_lock)
            return [.. _content.Nodes.Select(node => new MapChange(revision, _zone, MapSubject.Node, node, false))];
    }

    private bool Concerns(MapChange change) => change.Zone == _zone || change.Zone == Guid.Empty;

    private static string NameOf(MapChange change) => change.Subject switch
    {
        MapSubject.Node => MapResource.Peer(change.Id),
        MapSubject.Zone => MapResource.Zone,
        _ => MapResource.Trust,
    };

    private async Task PublishAsync()
    {
        int failures = 0;
        try
        {
            while (true)
            {
                PendingChanges changes = await GatherAsync();
                try
                {
                    await PublishAsync(changes);
                    failures = 0;
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    Log.MapUnreadable(_log, _zone, e.Message);
                    if (++failures == MostFailures)
                        break;
                    lock (_lock)
                    {
                        _pending.AddAll(changes);
                        _isPublishing = false;
                    }
                    await Task.Delay(RetryInterval, _sources.Clock, _ending.Token);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // That is how it ends.
        }
        // What nodes have stays; what is wrong here must not become an empty map there.
        End();
    }

    private async Task<PendingChanges> GatherAsync()
    {
        PendingChanges pending;
        lock (_lock)
            pending = _pending;
        await pending.Any.WaitAsync(_ending.Token);
        await pending.Urgent.WaitAsync(Gathering, _sources.Clock, _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        int streams;
        lock (_lock)
            streams = _streams.Count;
        TimeSpan pause = Pause(streams) - _sources.Clock.GetElapsedTime(_publishedAt);
        if (pause > TimeSpan.Zero)
            await Task.Delay(pause, _sources.Clock, _ending.Token);
        _publishedAt = _sources.Clock.GetTimestamp();
        _ending.Token.ThrowIfCancellationRequested();
        lock (_lock)
        {
            (pending, _pending) = (_pending, new PendingChanges());
            _isPublishing = true;
            return pending;
        }
    }

    /// <summary>
    /// The shortest time between two times of telling, by the number of streams: of <see cref="ShortestPause"/> to
    /// <see cref="LongestPause"/>.
    /// </summary>
    internal static TimeSpan Pause(int streams) => TimeSpan.FromSeconds(
        Math.Clamp((double)streams / MostWritesPerSecond, ShortestPause.TotalSeconds, LongestPause.TotalSeconds));

    private async Task PublishAsync(PendingChanges changes)
    {
        // Read before the nodes: a list that revokes a node's former certificate must not arrive before the node's new one.
        TrustResource? trust = changes.Trust || changes.Zone ? _sources.Trust() : null;
        IReadOnlyList<MapNode> nodes = changes.Nodes.Count == 0 ? [] : await _sources.Map.ReadNodesAsync(changes.Nodes, _ending.Token);
        MapZone? zone = changes.Zone ? await _sources.Map.ReadZoneAsync(_zone, _ending.Token) : null;
        if (changes.Zone && zone is null)
        {
            End(); // the zone was deleted, and all its nodes with it
            return;
        }
        MapNode[] here = [.. (zone?.Nodes ?? []).Concat(nodes).Where(node => node.Zone == _zone)];
        lock (_lock)
        {
            // Before there is anything new, so that none of it goes to those who have no part in it.
            HashSet<Guid> present = [.. here.Select(node => node.Id)];
            _content.Apply(changes, here, zone, trust);
            _isPublishing = false;
            AdvanceIfIdle();
            foreach (MapSubscription stream in changes.Nodes.SelectMany(_streams.Of).Where(stream => !IsWelcome(stream)))
                stream.Dismiss(present.Contains(stream.Node) ? RefusalReason.NodeUnknown : RefusalReason.NodeRemoved);
        }
        foreach (MapSubscription stream in Streams)
            stream.Wake();
    }

    // A node that is gone, or has another identity key by now, is told nothing more.
    private bool IsWelcome(MapSubscription stream) => _content.IsActive(stream.Node, stream.IdentityHash);
}
