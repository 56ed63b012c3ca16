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
    private RelayLeg? _relay;

    /// <summary>The memory.</summary>
    public PacketBuffer Buffer { get; } = new();

    /// <summary>Whom the datagrams are for.</summary>
    public PeerTunnel Peer { get; private set; } = null!;

    /// <summary>Who receives them first: the peer, or its relay.</summary>
    public PeerTunnel First => _relay?.Via ?? Peer;

    /// <summary>How many datagrams there are.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes in front of each WireGuard datagram: those that a relay needs.</summary>
    public int HeaderSize => _relay is null ? 0 : RelayHeader.Size;

    /// <summary>Begins a run, for as long a datagram as the buffer has room for.</summary>
    /// <param name="peer">Whom it is for.</param>
    /// <param name="path">The way there.</param>
    /// <param name="ecn">The ECN bits of every datagram.</param>
    /// <param name="timeToLive">The time to live of every datagram; 0 for the kernel's.</param>
    /// <param name="size">Bytes of the first WireGuard datagram.</param>
    public void Begin(PeerTunnel peer, PeerPath path, byte ecn, byte timeToLive, int size)
    {
        (Peer, Count, _relay, _isEnded) = (peer, 0, path.Relay, false);
        _size = size + HeaderSize;
        Buffer.Reset();
        Buffer.Offset = 0;
        PeerPath? first = path.First;
        (Buffer.Destination, Buffer.Source) = (first?.Remote ?? default, first?.Local ?? default);
        (Buffer.Ecn, Buffer.TimeToLive) = (ecn, timeToLive);
    }

    /// <summary>Whether one more datagram can go behind the others.</summary>
    /// <inheritdoc cref="Begin"/>
    public bool Takes(PeerTunnel peer, PeerPath path, byte ecn, byte timeToLive, int size)
    {
        int all = size + HeaderSize;
        return !_isEnded && peer == Peer && ReferenceEquals(path.Relay, _relay) && ecn == Buffer.Ecn && timeToLive == Buffer.TimeToLive
            && all <= _size && Buffer.Length + all <= MaximumLength;
    }

    /// <summary>Adds a datagram.</summary>
    /// <param name="size">Bytes of the WireGuard datagram.</param>
    /// <returns>Where that begins in the buffer's array.</returns>
    public int Add(int size)
    {
        int start = Buffer.Length;
        if (_relay is { } relay)
        {
            RelayHeader.Write(Buffer.Array.AsSpan(start), relay.Out);
            (start, size) = (start + RelayHeader.Size, size + RelayHeader.Size);
        }
        Buffer.Length += size;
        _isEnded = size < _size;
        Buffer.GsoSize = (ushort)(++Count > 1 ? _size : 0);
        return start;
    }
}
