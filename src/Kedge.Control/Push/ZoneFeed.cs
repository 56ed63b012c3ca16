using System.Diagnostics.CodeAnalysis;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Push;

/// <summary>
/// What the nodes of one zone are told. It is kept in memory as frames and follows the store: a change is read once, told once, and
/// shared by all streams, each of which is nothing but a position. Changes are gathered for a tenth of a second; a removal is told at
/// once, unless something was told a moment ago: see <see cref="Pause"/>. Any thread.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A cancellation source without a timer holds nothing that has to be disposed.")]
internal sealed class ZoneFeed
{
    /// <summary>How long changes are gathered.</summary>
    public static readonly TimeSpan Coalescing = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest time between two times of telling.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(500);

    /// <summary>How many writes a second a zone may cost while nodes come and go all the time: each time of telling is one to every stream.</summary>
    public const int MostWritesPerSecond = 5000;

    /// <summary>How long to wait after the store could not be read, and how often that may happen before the streams end.</summary>
    public static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    /// <inheritdoc cref="RetryInterval"/>
    public const int MostFailures = 3;

    private const int MostResumed = 16; // resources beside the nodes for which a snapshot is not worth it

    private readonly Guid _zone;
    private readonly PushSources _sources;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly ResourceLog _resources = new();
    private readonly Dictionary<Guid, byte[]> _identities = []; // of all active nodes: the hash of their identity keys
    private readonly HashSet<Guid> _peers = []; // those that are served: all but the ones with a bad record
    private readonly HashSet<MapSubscription> _streams = [];
    private readonly Dictionary<long, Segment> _deltas = []; // by where they begin
    private readonly Dictionary<long, Segment> _resumptions = []; // by the store's revision that they go on from
    private readonly CancellationTokenSource _ending = new();
    private PendingChanges _pending = new();
    private Segment? _snapshot;
    private FeedHead _head;
    private bool _isPublishing;
    private long _publishedAt; // timestamp
    private bool _isBroken;

    private ZoneFeed(Guid zone, PushSources sources, ILogger log) => (_zone, _sources, _log) = (zone, sources, log);

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
                return _head;
        }
    }

    /// <summary>The streams that it serves.</summary>
    public IReadOnlyList<MapSubscription> Streams
    {
        get
        {
            lock (_lock)
                return [.. _streams];
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
        {
            _head = new FeedHead(zone.Revision, 1, 0);
            Apply(zone, trust);
            foreach (MapNode node in zone.Nodes)
                Apply(node);
            _head = _head with { Count = _peers.Count };
        }
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
            // The oldest of too many goes: its node has come back before the end of the old connection was noticed.
            if (_streams.Count(one => one.Node == stream.Node) > MapSubscription.MostOfOneNode)
                _streams.Where(one => one.Node == stream.Node).MinBy(one => one.Number)!.Close();
            if (!IsWelcome(stream))
            {
                _pending.Nodes.Add(stream.Node);
                _pending.SignalUrgent();
            }
            return true;
        }
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
            if (from.Epoch == Epoch && from.Sequence <= _head.Sequence)
                return Delta(from.Sequence);
            if (from.Revision > _head.Revision)
                return null;
            if (_resumptions.TryGetValue(from.Revision, out Segment? shared))
                return shared;
        }
        if (await _sources.Map.ReadChangesAsync(from.Revision, cancellation) is not { } changes)
            return null;
        lock (_lock)
        {
            HashSet<string> changed = [.. changes.Where(Concerns).Select(NameOf), MapResource.Settings];
            changed.UnionWith(_peers.Select(MapResource.Endpoints).Where(_resources.Has));
            return changed.Count > MostResumed + 2 * _peers.Count
                ? null
                : _resumptions[from.Revision] = new Segment([.. changed.Select(_resources.FrameOf), Commit()], _head.Sequence);
        }
    }

    /// <summary>What comes after a number of the sequence; null for nothing yet. For a stream that has no map it is a snapshot.</summary>
    public Segment? Next(long? position)
    {
        lock (_lock)
        {
            if (position is not { } from)
                return Snapshot();
            return _resources.HasSince(from) ? Delta(from) ?? Snapshot() : null;
        }
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

    // Null where it is too long ago. Empty, with its commit alone, it tells that nothing has happened.
    private Segment? Delta(long from)
    {
        if (_deltas.TryGetValue(from, out Segment? shared))
            return shared;
        return _resources.Since(from) is { } frames ? _deltas[from] = new Segment([.. frames, Commit()], _head.Sequence) : null;
    }

    // A snapshot may be a little old, because what came after it follows: so hundreds who join one after the other are sent the same one.
    private Segment Snapshot()
    {
        if (_snapshot is { } kept && _resources.Since(kept.To) is { } frames && frames.Count <= MostResumed + _peers.Count / 8)
            return kept;
        return _snapshot = new Segment([MapFrameWriter.Snapshot(), .. _resources.All, Commit()], _head.Sequence, isSnapshot: true);
    }

    private byte[] Commit() => MapFrameWriter.Commit(_head.Revision, _head.Sequence, _head.Count);

    // Streams that are told a revision will never be told of what was before it.
    private void AdvanceIfIdle()
    {
        if (_pending.IsEmpty && !_isPublishing)
            _head = _head with { Revision = Math.Max(_head.Revision, _pending.Revision) };
    }

    private IEnumerable<MapChange> AllNodes(long revision)
    {
        lock (_lock)
            return [.. _identities.Keys.Select(node => new MapChange(revision, _zone, MapSubject.Node, node, false))];
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
        await pending.Urgent.WaitAsync(Coalescing, _sources.Clock, _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
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

    /// <summary>The shortest time between two times of telling, by the number of streams: of <see cref="Coalescing"/> to <see cref="LongestPause"/>.</summary>
    internal static TimeSpan Pause(int streams) => TimeSpan.FromSeconds(
        Math.Clamp((double)streams / MostWritesPerSecond, Coalescing.TotalSeconds, LongestPause.TotalSeconds));

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
        List<MapSubscription> ended;
        lock (_lock)
        {
            _head = _head with { Revision = Math.Max(_head.Revision, changes.Revision), Sequence = _head.Sequence + 1 };
            foreach (MapNode node in here)
                Apply(node);
            foreach (Guid gone in changes.Nodes.Except(here.Select(node => node.Id)))
                Drop(gone);
            if (trust is not null)
                Apply(zone, trust);
            foreach (Guid node in changes.Endpoints)
                ApplyEndpoints(node);
            _head = _head with { Count = _peers.Count };
            _deltas.Clear();
            _resumptions.Clear();
            _isPublishing = false;
            AdvanceIfIdle();
            ended = [.. _streams.Where(stream => changes.Nodes.Contains(stream.Node) && !IsWelcome(stream))];
        }
        foreach (MapSubscription stream in ended)
            stream.Close();
        foreach (MapSubscription stream in Streams)
            stream.Wake();
    }

    // A node that is gone, or has another identity key by now, is told nothing more.
    private bool IsWelcome(MapSubscription stream) =>
        _identities.TryGetValue(stream.Node, out byte[]? identity) && identity.AsSpan().SequenceEqual(stream.IdentityHash);

    private void Apply(MapZone? zone, TrustResource trust)
    {
        if (zone is not null)
            _resources.Put(MapResource.Zone, _head.Sequence, MapFrameWriter.Put(new ZoneResource(zone.Id, zone.Name, zone.Prefixes)));
        _resources.Put(MapResource.Trust, _head.Sequence, MapFrameWriter.Put(trust));
        _resources.Put(MapResource.Settings, _head.Sequence, MapFrameWriter.Put(_sources.Settings()));
    }

    private void Apply(MapNode node)
    {
        _identities[node.Id] = node.IdentityKeyHash;
        if (WhatIsWrongWith(node) is { } wrong)
        {
            Log.RecordLeftOut(_log, node.Id, wrong);
            _sources.Counters.BadRecords.Add(1);
            if (_peers.Remove(node.Id))
                _resources.Remove(MapResource.Peer(node.Id), _head.Sequence);
            return;
        }
        _peers.Add(node.Id);
        _resources.Put(MapResource.Peer(node.Id), _head.Sequence, MapFrameWriter.Put(node.Id, new PeerResource(node.Certificate, node.FixedEndpoint)));
        ApplyEndpoints(node.Id);
    }

    private static string? WhatIsWrongWith(MapNode node)
    {
        if (node.Certificate.Length is 0 or > MapPeer.MaximumCertificate)
            return $"its certificate has {node.Certificate.Length} bytes";
        return node.FixedEndpoint is { } text && !Endpoint.TryParse(text, out _) ? $"'{text}' is no endpoint" : null;
    }

    private void ApplyEndpoints(Guid node)
    {
        IReadOnlyList<NodeEndpoint> endpoints = _sources.Endpoints.Of(node);
        string resource = MapResource.Endpoints(node);
        if (_peers.Contains(node) && (endpoints.Count > 0 || _resources.Has(resource)))
            _resources.Put(resource, _head.Sequence, MapFrameWriter.Put(node, new EndpointsResource(endpoints)));
    }

    private void Drop(Guid node)
    {
        _identities.Remove(node);
        if (!_peers.Remove(node))
            return;
        _resources.Remove(MapResource.Peer(node), _head.Sequence);
        _resources.Forget(MapResource.Endpoints(node));
    }
}

/// <summary>How far a feed is.</summary>
/// <param name="Revision">The store's revision up to which everything was told.</param>
/// <param name="Sequence">The number of the last change in the feed's own sequence, which counts endpoints as well.</param>
/// <param name="Count">How many nodes are served.</param>
internal readonly record struct FeedHead(long Revision, long Sequence, int Count);
