using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Kedge.Protocol;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Relaying;

/// <summary>
/// Passes datagrams on between nodes of a zone that have a stream to this machine, a controller or a relay, because their networks let nothing
/// else through. It sees WireGuard's ciphertext of the two ends and nothing else. A node has one stream; a new one replaces it. Any thread.
/// </summary>
public sealed class StreamHub
{
    private readonly Func<Instant> _now;
    private readonly long _pairRate;
    private readonly ConcurrentDictionary<(Guid Zone, ulong Id), NodeStream> _streams = new();
    private readonly Lock _opening = new();
    private readonly TotalBudget _budget = new();
    private readonly long[] _dropped = new long[Enum.GetValues<StreamDrop>().Length];
    private long _datagrams;
    private long _bytes;
    private bool _isEnding;

    /// <summary>Makes one without streams.</summary>
    /// <param name="now">Tells the time, from any thread.</param>
    /// <param name="pairRate">Bytes a second that one node may send another, 0 for no limit; ten times as much in all.</param>
    public StreamHub(Func<Instant> now, long pairRate = RelaySwitch.DefaultRate / 8) => (_now, _pairRate) = (now, pairRate);

    /// <summary>How many streams there are.</summary>
    public int Count => _streams.Count;

    /// <summary>How many datagrams have been passed on.</summary>
    public long Datagrams => Interlocked.Read(ref _datagrams);

    /// <summary>How many datagrams have been dropped for a reason.</summary>
    public long Dropped(StreamDrop reason) => Interlocked.Read(ref _dropped[(int)reason]);

    /// <summary>Makes the instruments that tell what is passed on.</summary>
    public void CountBy(Meter meter)
    {
        meter.CreateObservableGauge("kedge.streams", () => (long)Count, description: "Nodes that send and receive by a stream, because of UDP.");
        meter.CreateObservableCounter("kedge.streams.datagrams", () => Datagrams, description: "Datagrams that were passed on between streams.");
        meter.CreateObservableCounter(
            "kedge.streams.bytes", () => Interlocked.Read(ref _bytes), description: "Bytes of the datagrams that were passed on between streams.");
        meter.CreateObservableCounter("kedge.streams.dropped", () => Enum.GetValues<StreamDrop>().Select(reason => new Measurement<long>(
            Dropped(reason), new KeyValuePair<string, object?>("reason", reason.ToString().ToLowerInvariant()))),
            description: "Datagrams of streams that were dropped, by reason.");
    }

    /// <summary>Opens a node's stream, in place of the one that it has.</summary>
    /// <param name="zone">The node's zone.</param>
    /// <param name="node">The node, which is active; empty where nodes are known by their keys alone.</param>
    /// <param name="key">Its WireGuard key.</param>
    /// <returns>The stream, for <see cref="Close"/>; null if another node is called the same in frames, or <see cref="End"/> was called.</returns>
    public NodeStream? Open(Guid zone, Guid node, PublicKey key)
    {
        var stream = new NodeStream(zone, node, key);
        NodeStream? before;
        lock (_opening)
        {
            if (_isEnding || (_streams.TryGetValue((zone, stream.Id), out before) && (before.Node != node || before.Key != key)))
                return null;
            _streams[(zone, stream.Id)] = stream;
        }
        before?.End();
        return stream;
    }

    /// <summary>The stream of a node; null if it has none.</summary>
    /// <param name="zone">The node's zone.</param>
    /// <param name="id">What it is called in frames.</param>
    public NodeStream? Find(Guid zone, ulong id) => _streams.GetValueOrDefault((zone, id));

    /// <summary>Ends a stream.</summary>
    public void Close(NodeStream stream)
    {
        _streams.TryRemove(new((stream.Zone, stream.Id), stream));
        stream.End();
    }

    /// <summary>Passes a datagram on, if it may be.</summary>
    /// <param name="from">Whose it is. One thread at a time for each.</param>
    /// <param name="peer">Whom it is for.</param>
    /// <param name="datagram">The datagram.</param>
    /// <returns>The stream that it was added to, which is to be flushed; null if it was dropped.</returns>
    public NodeStream? Forward(NodeStream from, ulong peer, ReadOnlySpan<byte> datagram)
    {
        if (from.Ended.IsCompleted || !_streams.TryGetValue((from.Zone, peer), out NodeStream? to) || to == from)
            return Drop(StreamDrop.Unknown);
        Instant now = _now();
        if (!from.TrySpend(now, to, _pairRate, datagram.Length) || !_budget.TrySpend(now, _pairRate, datagram.Length))
            return Drop(StreamDrop.Limited);
        if (!to.TryAdd(from.Id, datagram))
            return Drop(StreamDrop.Slow);
        Interlocked.Increment(ref _datagrams);
        Interlocked.Add(ref _bytes, datagram.Length);
        return to;
    }

    /// <summary>Ends the streams of nodes that may have changed, where these are not any more what they were.</summary>
    /// <param name="node">The node; empty for all.</param>
    /// <param name="isCurrent">Whether a stream's node is still active, with its zone and its key.</param>
    public void Review(Guid node, Func<NodeStream, bool> isCurrent)
    {
        foreach (NodeStream stream in _streams.Values)
            if ((node == Guid.Empty || stream.Node == node) && !isCurrent(stream))
                Close(stream);
    }

    /// <summary>Ends all streams, and opens none any more.</summary>
    public void End()
    {
        lock (_opening)
            _isEnding = true;
        foreach (NodeStream stream in _streams.Values)
            Close(stream);
    }

    private NodeStream? Drop(StreamDrop reason)
    {
        Interlocked.Increment(ref _dropped[(int)reason]);
        return null;
    }
}

/// <summary>Why a datagram of a stream is dropped.</summary>
public enum StreamDrop
{
    /// <summary>No node of the zone that is called so has a stream.</summary>
    Unknown,

    /// <summary>There is too much between the two nodes, or in all.</summary>
    Limited,

    /// <summary>The one that it is for reads too slowly.</summary>
    Slow,
}
