using System.IO.Pipelines;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Relaying;

/// <summary>
/// The stream of one node: what waits to be sent to it, and what it may send others. It is read by whoever serves the connection. Any thread
/// adds; a reader that is slow loses datagrams, and delays nobody.
/// </summary>
/// <param name="zone">The node's zone.</param>
/// <param name="node">The node.</param>
/// <param name="key">Its WireGuard key.</param>
public sealed class NodeStream(Guid zone, Guid node, PublicKey key)
{
    /// <summary>How many bytes wait at most.</summary>
    public const int MostWaiting = 1 << 20;

    /// <summary>How many nodes it may send to at a time.</summary>
    public const int MostPairs = 256;

    private const int SegmentSize = 16 << 10; // what a TLS record holds

    private readonly Pipe _output = new(new PipeOptions(pauseWriterThreshold: 0, resumeWriterThreshold: 0, minimumSegmentSize: SegmentSize));
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private readonly Dictionary<NodeStream, Budget> _budgets = []; // whoever reads the connection has them
    private int _waiting;
    private bool _hasEnded;
    private bool _isUnflushed;

    /// <summary>The node's zone.</summary>
    public Guid Zone => zone;

    /// <summary>The node.</summary>
    public Guid Node => node;

    /// <summary>Its WireGuard key.</summary>
    public PublicKey Key => key;

    /// <summary>What it is called in frames.</summary>
    public ulong Id { get; } = StreamAddress.IdOf(key);

    /// <summary>Done when it has ended.</summary>
    public Task Ended => _ended.Task;

    /// <summary>What is to be sent to the node; see <see cref="NoteSent"/>.</summary>
    public PipeReader Output => _output.Reader;

    /// <summary>Has a datagram sent to the node, once <see cref="Flush"/> is called.</summary>
    /// <returns>False if it is dropped, because too much waits or the stream has ended.</returns>
    public bool TryAdd(ulong from, ReadOnlySpan<byte> datagram)
    {
        int size = StreamFrame.HeaderSize + datagram.Length;
        lock (_lock)
        {
            if (_hasEnded || _waiting + size > MostWaiting)
                return false;
            Span<byte> frame = _output.Writer.GetSpan(size);
            StreamFrame.WriteHeader(frame, from, datagram.Length);
            datagram.CopyTo(frame[StreamFrame.HeaderSize..]);
            Added(size);
            return true;
        }
    }

    /// <summary>Has a keepalive sent to the node, unless too much waits.</summary>
    public void AddKeepalive()
    {
        lock (_lock)
        {
            if (_hasEnded || _waiting + StreamFrame.KeepaliveSize > MostWaiting)
                return;
            _output.Writer.GetSpan(StreamFrame.KeepaliveSize)[..StreamFrame.KeepaliveSize].Clear();
            Added(StreamFrame.KeepaliveSize);
        }
    }

    /// <summary>Hands what was added to whoever reads.</summary>
    public void Flush()
    {
        lock (_lock)
        {
            if (!_isUnflushed || _hasEnded)
                return;
            _isUnflushed = false;
            ValueTask<FlushResult> flush = _output.Writer.FlushAsync(CancellationToken.None);
            if (flush.IsCompleted)
                _ = flush.Result; // as it always is: there is no threshold to wait for
        }
    }

    /// <summary>Takes note that bytes of <see cref="Output"/> have been sent.</summary>
    public void NoteSent(long bytes)
    {
        lock (_lock)
            _waiting -= (int)bytes;
    }

    /// <summary>Ends it, and its connection.</summary>
    public void End()
    {
        lock (_lock)
        {
            if (_hasEnded)
                return;
            _hasEnded = true;
            _output.Writer.Complete();
        }
        _ended.SetResult();
    }

    /// <summary>Spends of what this node may send another one. Whoever reads the connection calls it.</summary>
    public bool TrySpend(Protocol.Instant now, NodeStream to, long bytesPerSecond, int bytes)
    {
        if (!_budgets.TryGetValue(to, out Budget? budget))
        {
            if (_budgets.Count >= MostPairs)
            {
                foreach (NodeStream gone in _budgets.Keys.Where(stream => stream._hasEnded).ToArray())
                    _budgets.Remove(gone);
                if (_budgets.Count >= MostPairs)
                    return false;
            }
            _budgets[to] = budget = new Budget();
        }
        return budget.Bytes.TrySpend(now, bytesPerSecond, bytes);
    }

    private void Added(int size)
    {
        _output.Writer.Advance(size);
        _waiting += size;
        _isUnflushed = true;
    }

    private sealed class Budget
    {
        public ByteBudget Bytes;
    }
}
