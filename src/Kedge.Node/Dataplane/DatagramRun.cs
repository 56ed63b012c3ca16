using Kedge.Linux;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// Datagrams for one peer that lie one behind the other in one buffer, as <see cref="IDatagramSocket"/> sends a run of them: all of one
/// size, except that the last may be shorter. Owned by the sending thread, and used again and again.
/// </summary>
internal sealed class DatagramRun
{
    /// <summary>Bytes of all datagrams together: as much as one UDP datagram over IPv4 can carry, which is what the kernel cuts a run from.</summary>
    public const int MaximumLength = 65507;

    private int _size;
    private bool _isEnded;

    /// <summary>The memory.</summary>
    public PacketBuffer Buffer { get; } = new();

    /// <summary>Whom the datagrams are for.</summary>
    public PeerTunnel Peer { get; private set; } = null!;

    /// <summary>How many datagrams there are.</summary>
    public int Count { get; private set; }

    /// <summary>Begins a run, for as long a datagram as the buffer has room for.</summary>
    /// <param name="peer">Whom it is for.</param>
    /// <param name="path">Where that is.</param>
    /// <param name="ecn">The ECN bits of every datagram.</param>
    /// <param name="size">Bytes of the first datagram.</param>
    public void Begin(PeerTunnel peer, PeerPath path, byte ecn, int size)
    {
        (Peer, Count, _size, _isEnded) = (peer, 0, size, false);
        Buffer.Reset();
        Buffer.Offset = 0;
        (Buffer.Destination, Buffer.Source, Buffer.Ecn) = (path.Remote, path.Local, ecn);
    }

    /// <summary>Whether one more datagram can go behind the others.</summary>
    /// <inheritdoc cref="Begin"/>
    public bool Takes(PeerTunnel peer, byte ecn, int size) =>
        !_isEnded && peer == Peer && ecn == Buffer.Ecn && size <= _size && Buffer.Length + size <= MaximumLength;

    /// <summary>Adds a datagram.</summary>
    /// <param name="size">Its size in bytes.</param>
    /// <returns>Where it begins in the buffer's array.</returns>
    public int Add(int size)
    {
        int start = Buffer.Length;
        Buffer.Length += size;
        _isEnded = size < _size;
        Buffer.GsoSize = (ushort)(++Count > 1 ? _size : 0);
        return start;
    }
}
