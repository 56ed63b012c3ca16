using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Push;

/// <summary>
/// What the nodes of one zone are told, as frames, and what brings a stream from one position to another. Segments are put together once for
/// all who go the same way, but only a few are kept: see <see cref="SegmentCache"/>. Guarded by its owner, the zone's feed.
/// </summary>
internal sealed class ZoneContent(PushSources sources, ILogger log)
{
    /// <summary>How many segments of each kind are kept, and how many bytes of frames they have at most.</summary>
    public const int MostSegments = 8, MostSegmentBytes = 16 << 20;

    private const int MostResumed = 16; // resources beside the nodes for which a snapshot is not worth it

    private readonly ResourceLog _resources = new();
    private readonly Dictionary<Guid, byte[]> _identities = []; // of all active nodes: the hash of their identity keys
    private readonly HashSet<Guid> _peers = []; // those that are served: all but the ones with a bad record
    private readonly SegmentCache _deltas = new(MostSegments, MostSegmentBytes); // by the number in the sequence that they go on from
    private readonly SegmentCache _resumptions = new(MostSegments, MostSegmentBytes); // by the store's revision that they go on from
    private Segment? _snapshot;

    /// <summary>How far it is.</summary>
    public FeedHead Head { get; private set; }

    /// <summary>All active nodes.</summary>
    public IReadOnlyCollection<Guid> Nodes => _identities.Keys;

    /// <summary>How many segments it keeps, beside the snapshot.</summary>
    public int KeptSegments => _deltas.Count + _resumptions.Count;

    /// <summary>Takes a zone as it was read.</summary>
    public void Load(MapZone zone, TrustResource trust)
    {
        Head = new FeedHead(zone.Revision, 1, 0);
        Put(zone, trust);
        foreach (MapNode node in zone.Nodes)
            Put(node);
        Head = Head with { Count = _peers.Count };
    }

    /// <summary>Takes changes, as the next number of the sequence.</summary>
    /// <param name="changes">What has changed.</param>
    /// <param name="here">The nodes among them that are in the zone, as they are now; the others are gone.</param>
    /// <param name="zone">The zone, where it has changed.</param>
    /// <param name="trust">The trust, where it or the zone has changed.</param>
    public void Apply(PendingChanges changes, IReadOnlyCollection<MapNode> here, MapZone? zone, TrustResource? trust)
    {
        Head = Head with { Revision = Math.Max(Head.Revision, changes.Revision), Sequence = Head.Sequence + 1 };
        foreach (MapNode node in here)
            Put(node);
        foreach (Guid gone in changes.Nodes.Except(here.Select(node => node.Id)))
            Drop(gone);
        if (trust is not null)
            Put(zone, trust);
        foreach (Guid node in changes.Endpoints)
            PutEndpoints(node);
        Head = Head with { Count = _peers.Count };
        _deltas.Clear();
        _resumptions.Clear();
    }

    /// <summary>Notes that up to a revision nothing has happened that streams are to be told: they will never be told of what was before it.</summary>
    public void Advance(long revision) => Head = Head with { Revision = Math.Max(Head.Revision, revision) };

    /// <summary>Whether a node is active with an identity key.</summary>
    public bool IsActive(Guid node, ReadOnlySpan<byte> identityHash) =>
        _identities.TryGetValue(node, out byte[]? identity) && identity.AsSpan().SequenceEqual(identityHash);

    /// <summary>What comes after a number of the sequence; null for nothing yet.</summary>
    public Segment? Next(long from) => _resources.HasSince(from) ? Delta(from) ?? Snapshot() : null;

    /// <summary>
    /// What brings a stream up to date that has everything up to a number of the sequence; null where that is too long ago. Where nothing has
    /// happened it is the commit alone.
    /// </summary>
    public Segment? Delta(long from) => _deltas.Find(from)
        ?? (_resources.Since(from) is { } frames ? _deltas.Add(from, new Segment([.. frames, Commit()], Head.Sequence)) : null);

    /// <summary>The whole zone. It may be a little old, because what came after it follows: so hundreds who join one after the other are sent the same one.</summary>
    public Segment Snapshot()
    {
        if (_snapshot is { } kept && _resources.Since(kept.To) is { } frames && frames.Count <= MostResumed + _peers.Count / 8)
            return kept;
        return _snapshot = new Segment([MapFrameWriter.Snapshot(), .. _resources.All, Commit()], Head.Sequence, isSnapshot: true);
    }

    /// <summary>What was put together for streams that go on from a revision of the store; null for nothing yet.</summary>
    public Segment? FindResumption(long revision) => _resumptions.Find(revision);

    /// <summary>
    /// Puts together what brings streams up to date that followed another feed up to a revision of the store; null where a snapshot is shorter.
    /// </summary>
    /// <param name="revision">The revision.</param>
    /// <param name="changed">The resources that have changed in the store since. To them comes what the store does not note: an issuer is rotated without it.</param>
    public Segment? Resume(long revision, IEnumerable<string> changed)
    {
        HashSet<string> all = [.. changed, MapResource.Settings, MapResource.Trust, .. _peers.Select(MapResource.Endpoints).Where(_resources.Has)];
        if (all.Count > MostResumed + 2 * _peers.Count)
            return null;
        return _resumptions.Find(revision)
            ?? _resumptions.Add(revision, new Segment([.. all.Select(_resources.FrameOf), Commit()], Head.Sequence));
    }

    private byte[] Commit() => MapFrameWriter.Commit(Head.Revision, Head.Sequence, Head.Count);

    private void Put(MapZone? zone, TrustResource trust)
    {
        if (zone is not null)
            _resources.Put(MapResource.Zone, Head.Sequence, MapFrameWriter.Put(new ZoneResource(zone.Id, zone.Name, zone.Prefixes)));
        _resources.Put(MapResource.Trust, Head.Sequence, MapFrameWriter.Put(trust));
        _resources.Put(MapResource.Settings, Head.Sequence, MapFrameWriter.Put(sources.Settings()));
    }

    private void Put(MapNode node)
    {
        _identities[node.Id] = node.IdentityKeyHash;
        if (WhatIsWrongWith(node) is { } wrong)
        {
            Log.RecordLeftOut(log, node.Id, wrong);
            sources.Counters.BadRecords.Add(1);
            if (_peers.Remove(node.Id))
                _resources.Remove(MapResource.Peer(node.Id), Head.Sequence);
            return;
        }
        _peers.Add(node.Id);
        _resources.Put(MapResource.Peer(node.Id), Head.Sequence, MapFrameWriter.Put(node.Id, new PeerResource(node.Certificate, node.FixedEndpoint)));
        PutEndpoints(node.Id);
    }

    private static string? WhatIsWrongWith(MapNode node)
    {
        if (node.Certificate.Length is 0 or > MapPeer.MaximumCertificate)
            return $"its certificate has {node.Certificate.Length} bytes";
        return node.FixedEndpoint is { } text && !Endpoint.TryParse(text, out _) ? $"{Values.Show(text)} is not an endpoint" : null;
    }

    private void PutEndpoints(Guid node)
    {
        IReadOnlyList<NodeEndpoint> endpoints = sources.Endpoints.Of(node);
        string resource = MapResource.Endpoints(node);
        if (_peers.Contains(node) && (endpoints.Count > 0 || _resources.Has(resource)))
            _resources.Put(resource, Head.Sequence, MapFrameWriter.Put(node, new EndpointsResource(endpoints)));
    }

    private void Drop(Guid node)
    {
        _identities.Remove(node);
        if (!_peers.Remove(node))
            return;
        _resources.Remove(MapResource.Peer(node), Head.Sequence);
        _resources.Forget(MapResource.Endpoints(node));
    }
}

/// <summary>How far a feed is.</summary>
/// <param name="Revision">The store's revision up to which everything was told.</param>
/// <param name="Sequence">The number of the last change in the feed's own sequence, which counts endpoints as well.</param>
/// <param name="Count">How many nodes are served.</param>
internal readonly record struct FeedHead(long Revision, long Sequence, int Count);
