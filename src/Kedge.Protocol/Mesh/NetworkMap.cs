using Kedge.Protocol.Ip;
using System.Buffers;
using System.Collections.ObjectModel;
using Kedge.Protocol.Api;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// What the controller has told a node about its zone: who is in it, where they are, and what their certificates are checked with. It is
/// built from the frames of a map stream, which take effect at their commit, all at once. A frame that makes no sense is left out and costs
/// nothing that is already here; only a removal, or a snapshot that is complete, takes something away.
/// </summary>
/// <remarks>
/// Nothing here is verified: a certificate is bytes, and whoever installs a peer checks it. One thread at a time.
/// </remarks>
public sealed class NetworkMap
{
    /// <summary>How many resources a map may have. Frames beyond that are refused.</summary>
    public const int MaximumResources = 100_000;

    /// <summary>
    /// Roughly the bytes of memory that a map may take, and as many again while a new one is staged: enough for 30,000 nodes with
    /// certificates of ordinary size.
    /// </summary>
    public const int MaximumBytes = 64 << 20;

    /// <summary>The longest frame in bytes.</summary>
    public const int MaximumFrame = 1 << 20;

    /// <summary>The longest name of a resource, in characters.</summary>
    public const int MaximumName = 64;

    private const int MaximumRefused = 1000;
    private const int MaximumText = 255;

    private readonly Func<MapPeer, MapPeer>? _share;
    private readonly Dictionary<Guid, MapPeer> _peers = [];
    private readonly Dictionary<Guid, PeerEndpoint[]> _endpoints = [];
    private readonly Dictionary<string, string> _refused = [];

    private readonly MapStaging _staged = new();
    private (Guid Store, Guid Epoch)? _open;
    private bool _snapshot;
    private long _bytes; // of the peers and their endpoints, roughly
    private MapPosition _position;
    private bool _diverged;

    /// <summary>Makes an empty map.</summary>
    /// <param name="node">The node whose map it is: its own record is <see cref="Self"/> and not among <see cref="Peers"/>.</param>
    /// <param name="share">
    /// For programs that hold many maps: given a record, returns an equal one that others already hold. Null for none.
    /// </param>
    public NetworkMap(Guid node, Func<MapPeer, MapPeer>? share = null)
    {
        Node = node;
        _share = share;
        Peers = new ReadOnlyDictionary<Guid, MapPeer>(_peers);
    }

    /// <summary>The node whose map it is.</summary>
    public Guid Node { get; }

    /// <summary>What to ask the controller to go on from; the beginning where only a snapshot helps.</summary>
    public MapPosition Position => _diverged ? default : _position;

    /// <summary>Whether there ever was a commit.</summary>
    public bool IsEmpty => _position.Revision == 0;

    /// <summary>The node's own record; null as long as the controller has said nothing of it.</summary>
    public MapPeer? Self { get; private set; }

    /// <summary>The zone; null as long as nothing is known.</summary>
    public ZoneResource? Zone { get; private set; }

    /// <summary>What certificates are checked with; null as long as nothing is known.</summary>
    public TrustResource? Trust { get; private set; }

    /// <summary>What all nodes of the network are told; null as long as nothing is known.</summary>
    public SettingsResource? Settings { get; private set; }

    /// <summary>The other nodes of the zone.</summary>
    public IReadOnlyDictionary<Guid, MapPeer> Peers { get; }

    /// <summary>What the last commit changed.</summary>
    public MapDifference Difference { get; } = new();

    /// <summary>Records that could not be used. Each stays until it is replaced or gone; the controller is told of them.</summary>
    public IEnumerable<RefusedResource> Refused => _refused.Select(entry => new RefusedResource(entry.Key, entry.Value));

    /// <summary>Counts up whenever <see cref="Refused"/> changes.</summary>
    public long RefusedVersion { get; private set; }

    /// <summary>The controller's clock, as the last frame that told it said.</summary>
    public DateTimeOffset? ControllerTime { get; private set; }

    /// <summary>The time within which the controller wants nodes back, after <see cref="MapOutcome.Ending"/>.</summary>
    public TimeSpan ReconnectWithin { get; private set; }

    /// <summary>Why the controller ended the stream, after <see cref="MapOutcome.Ending"/>; none where it ends itself.</summary>
    public RefusalReason EndReason { get; private set; }

    /// <summary>The last question of the controller, to be answered; empty for none.</summary>
    public Guid Question { get; private set; }

    /// <summary>The addresses from which other machines use this node's keys at the same time, as the controller last said; null for none.</summary>
    public string? DuplicatesFrom { get; private set; }

    /// <summary>What a peer has asked for, after <see cref="MapOutcome.Introduced"/>; null before the first time.</summary>
    public PeerIntroduction? Introduction { get; private set; }

    /// <summary>Where a node can be reached, best first; empty when it is not known. What an administrator said is in its record.</summary>
    public IReadOnlyList<PeerEndpoint> EndpointsOf(Guid node) => _endpoints.TryGetValue(node, out PeerEndpoint[]? endpoints) ? endpoints : [];

    /// <summary>Takes a frame: one line of the stream, with or without its line feed.</summary>
    public MapOutcome Apply(ReadOnlySpan<byte> line)
    {
        if (line.Length > MaximumFrame)
            return Refuse("", $"It has {line.Length} bytes, more than {MaximumFrame}.");
        if (!MapFrame.TryParse(line, out MapFrame frame, out string reason))
            return Refuse(frame.Resource is { Length: <= MaximumName } named ? named : "", reason);
        if (frame.Resource.Length > MaximumName)
            return Refuse("", $"It names a resource by {frame.Resource.Length} characters, more than {MaximumName}.");
        switch (frame.Type)
        {
            case MapFrameType.Open:
                Forget();
                _open = (frame.Store, frame.Epoch);
                ControllerTime = frame.Time;
                return MapOutcome.Nothing;
            case MapFrameType.Snapshot:
                Forget();
                _snapshot = true;
                return MapOutcome.Nothing;
            case MapFrameType.Put:
                return Put(frame, line.Length);
            case MapFrameType.Remove:
                return Stage(frame.Resource, null, line.Length);
            case MapFrameType.Commit:
                return Commit(frame);
            case MapFrameType.Bookmark:
                return Bookmark(frame);
            case MapFrameType.Question:
                Question = frame.Id;
                return MapOutcome.Nothing;
            case MapFrameType.Duplicates:
                DuplicatesFrom = frame.From is { Length: > MaximumText } text ? text[..MaximumText] : frame.From;
                return MapOutcome.Nothing;
            case MapFrameType.Introduction:
                return Introduce(frame);
            case MapFrameType.Bye:
                (ReconnectWithin, EndReason) = (frame.Spread, frame.Reason);
                return MapOutcome.Ending;
            default:
                return MapOutcome.Nothing;
        }
    }

    /// <summary>Writes the frames that make this map, as a snapshot. What was refused is not in it.</summary>
    /// <param name="destination">Where they go.</param>
    /// <param name="time">The present time.</param>
    internal void WriteSnapshot(IBufferWriter<byte> destination, DateTimeOffset time)
    {
        destination.Write(MapFrameWriter.Open(_position.Store, _position.Epoch, time));
        destination.Write(MapFrameWriter.Snapshot());
        if (Zone is not null)
            destination.Write(MapFrameWriter.Put(Zone));
        if (Trust is not null)
            destination.Write(MapFrameWriter.Put(Trust));
        if (Settings is not null)
            destination.Write(MapFrameWriter.Put(Settings));
        if (Self is not null)
            destination.Write(Frame(Self));
        foreach (MapPeer peer in _peers.Values)
            destination.Write(Frame(peer));
        foreach ((Guid id, PeerEndpoint[] endpoints) in _endpoints)
            destination.Write(MapFrameWriter.Put(id, MapValue.Write(endpoints)));
        destination.Write(MapFrameWriter.Commit(_position.Revision, _position.Sequence, _peers.Count + (Self is null ? 0 : 1)));
    }

    private static byte[] Frame(MapPeer peer) => MapFrameWriter.Put(peer.Id, MapValue.Write(peer));

    private void Forget()
    {
        _staged.Clear();
        _snapshot = false;
    }

    private MapOutcome Put(MapFrame frame, int length)
    {
        string reason = "";
        object? value = null;
        if (TryReadId(frame.Resource, MapResource.PeerPrefix, out Guid id))
            value = MapValue.ReadPeer(id, frame.Value, out reason);
        else if (TryReadId(frame.Resource, MapResource.EndpointsPrefix, out id))
            value = id == Node ? null : MapValue.ReadEndpoints(frame.Value, out reason);
        else if (frame.Resource.StartsWith(MapResource.PeerPrefix, StringComparison.Ordinal))
            reason = "Its name is not that of a node.";
        else if (frame.Resource == MapResource.Zone)
            value = MapValue.ReadZone(frame.Value, out reason);
        else if (frame.Resource == MapResource.Trust)
            value = MapValue.ReadTrust(frame.Value, out reason);
        else if (frame.Resource == MapResource.Settings)
            value = MapValue.ReadSettings(frame.Value, out reason);
        if (reason.Length > 0)
        {
            Stage(frame.Resource, new Refusal(reason), length);
            return MapOutcome.Refused;
        }
        if (value is null)
            return MapOutcome.Nothing;
        return Stage(frame.Resource, value is MapPeer peer && _share is not null ? _share(peer) : value, length);
    }

    private MapOutcome Stage(string resource, object? value, int length) =>
        _staged.TryAdd(resource, value, length) ? MapOutcome.Nothing : RefuseSize();

    private MapOutcome RefuseSize() =>
        Refuse("", $"The map is larger than {MaximumResources} records or {MaximumBytes >> 20} MiB, which is all that a node holds.");

    private MapOutcome Commit(MapFrame frame)
    {
        if (!_snapshot && _bytes + _staged.Bytes > MaximumBytes)
            _staged.Overflow();
        if (_open is not { } open || _staged.HasOverflowed || (_snapshot ? CountStaged() != frame.Count : !Follows(open.Store, frame.Revision)))
        {
            if (_staged.HasOverflowed)
                RefuseSize();
            Forget();
            return Diverge();
        }
        Difference.Clear();
        if (_snapshot)
            Sweep();
        // Records before endpoints: those of a node that is unknown are not kept.
        foreach ((string resource, object? value) in _staged.Values.Where(entry => entry.Value is not PeerEndpoint[]))
            Apply(resource, value);
        foreach ((string resource, object? value) in _staged.Values.Where(entry => entry.Value is PeerEndpoint[]))
            ApplyEndpoints(resource, (PeerEndpoint[])value!);
        Forget();
        _position = new MapPosition(open.Store, frame.Revision, open.Epoch, frame.Sequence);
        _diverged = false;
        if (Count() != frame.Count)
            Diverge();
        return _diverged ? MapOutcome.Diverged : MapOutcome.Committed;
    }

    private MapOutcome Bookmark(MapFrame frame)
    {
        if (_open is not { } open || !Follows(open.Store, frame.Revision) || Count() != frame.Count)
            return Diverge();
        ControllerTime = frame.Time;
        _position = new MapPosition(open.Store, frame.Revision, open.Epoch, frame.Sequence);
        return MapOutcome.Alive;
    }

    private MapOutcome Introduce(MapFrame frame)
    {
        if (MapValue.ReadIntroduction(frame.Id, frame.Value, out string reason) is not { } introduction)
            return Refuse("", reason);
        Introduction = introduction;
        return MapOutcome.Introduced;
    }

    private bool Follows(Guid store, long revision) => !_diverged && store == _position.Store && revision >= _position.Revision;

    private MapOutcome Diverge()
    {
        _diverged = true;
        return MapOutcome.Diverged;
    }

    // A refused record is one that the controller counts, whether or not there is an older version of it.
    private long Count() => _peers.Count + (Self is null ? 0 : 1) + _refused.Keys.Count(resource => IsPeer(resource) && !Holds(resource));

    private long CountStaged() => _staged.Values.Count(entry => entry.Value is not null && IsPeer(entry.Key));

    private static bool IsPeer(string resource) => resource.StartsWith(MapResource.PeerPrefix, StringComparison.Ordinal);

    private bool Holds(string resource) =>
        TryReadId(resource, MapResource.PeerPrefix, out Guid id) && (id == Node ? Self is not null : _peers.ContainsKey(id));

    private void Sweep()
    {
        foreach (Guid id in _peers.Keys.Where(id => _staged.ValueOf(MapResource.Peer(id)) is null).ToList())
            RemovePeer(id);
        if (_staged.ValueOf(MapResource.Peer(Node)) is null)
            RemovePeer(Node);
        foreach (string resource in _refused.Keys.Where(resource => !_staged.Contains(resource)).ToList())
            Accept(resource);
    }

    private void Apply(string resource, object? value)
    {
        if (value is Refusal refusal)
        {
            Refuse(resource, refusal.Reason);
            return;
        }
        Accept(resource);
        switch (value)
        {
            case MapPeer peer:
                PutPeer(peer);
                break;
            case ZoneResource zone:
                Zone = zone;
                Difference.Network = true;
                break;
            case TrustResource trust:
                Trust = trust;
                Difference.Network = true;
                break;
            case SettingsResource settings:
                Settings = settings;
                Difference.Network = true;
                break;
            case null when TryReadId(resource, MapResource.PeerPrefix, out Guid id):
                RemovePeer(id);
                break;
            case null when TryReadId(resource, MapResource.EndpointsPrefix, out Guid id):
                if (RemoveEndpoints(id))
                    Difference.AddEndpoints(id);
                break;
        }
    }

    private void PutPeer(MapPeer peer)
    {
        MapPeer? before = peer.Id == Node ? Self : _peers.GetValueOrDefault(peer.Id);
        if (before is not null && before.FixedEndpoint == peer.FixedEndpoint && before.Certificate.Span.SequenceEqual(peer.Certificate.Span))
            return;
        if (peer.Id == Node)
        {
            Self = peer;
            Difference.Self = true;
            return;
        }
        _bytes += BytesOf(peer) - (before is null ? 0 : BytesOf(before));
        _peers[peer.Id] = peer;
        Difference.AddPeer(peer.Id);
    }

    private void RemovePeer(Guid id)
    {
        if (id == Node)
        {
            Difference.Self |= Self is not null;
            Self = null;
            return;
        }
        if (_peers.Remove(id, out MapPeer? peer))
        {
            _bytes -= BytesOf(peer);
            Difference.AddPeer(id);
        }
        RemoveEndpoints(id);
    }

    private bool RemoveEndpoints(Guid id)
    {
        if (!_endpoints.Remove(id, out PeerEndpoint[]? endpoints))
            return false;
        _bytes -= BytesOf(endpoints);
        return true;
    }

    private void ApplyEndpoints(string resource, PeerEndpoint[] endpoints)
    {
        Accept(resource);
        TryReadId(resource, MapResource.EndpointsPrefix, out Guid id);
        if (!_peers.ContainsKey(id) || EndpointsOf(id).SequenceEqual(endpoints))
            return;
        RemoveEndpoints(id);
        if (endpoints.Length > 0)
        {
            _bytes += BytesOf(endpoints);
            _endpoints[id] = endpoints;
        }
        Difference.AddEndpoints(id);
    }

    private MapOutcome Refuse(string resource, string reason)
    {
        if (_refused.Count < MaximumRefused || _refused.ContainsKey(resource))
        {
            _refused[resource] = reason;
            RefusedVersion++;
        }
        return MapOutcome.Refused;
    }

    private void Accept(string resource)
    {
        if (_refused.Remove(resource))
            RefusedVersion++;
    }

    private static long BytesOf(MapPeer peer) => peer.Certificate.Length + 200;

    private static long BytesOf(PeerEndpoint[] endpoints) => endpoints.Length * 64 + 200;

    // A node has one name: 36 characters, lower case.
    private static bool TryReadId(string resource, string prefix, out Guid id)
    {
        id = default;
        return resource.Length == prefix.Length + 36
            && resource.StartsWith(prefix, StringComparison.Ordinal)
            && !resource.AsSpan(prefix.Length).ContainsAnyInRange('A', 'F')
            && Guid.TryParseExact(resource.AsSpan(prefix.Length), "D", out id);
    }

    private sealed record Refusal(string Reason);
}
