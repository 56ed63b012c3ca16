using System.Buffers.Binary;

namespace Kedge.Protocol.Relays;

/// <summary>What is at the start of some bytes of a stream.</summary>
public enum StreamFrameKind
{
    /// <summary>A frame that has not come whole yet, or nothing.</summary>
    Incomplete,

    /// <summary>A keepalive.</summary>
    Keepalive,

    /// <summary>A datagram.</summary>
    Datagram,

    /// <summary>Nothing that can be: the connection is to be ended.</summary>
    Invalid,
}

/// <summary>
/// A datagram on the stream between a node and its controller. On the wire <c>length(2) | peer(8) | datagram</c>, big-endian: the length is that
/// of what follows it, the peer is whom the datagram is for or, from the controller, whom it is from. A length of 0 is a keepalive.
/// </summary>
public static class StreamFrame
{
    /// <summary>Bytes in front of a datagram.</summary>
    public const int HeaderSize = PeerOffset + PeerSize;

    /// <summary>Bytes of the longest datagram.</summary>
    public const int MaximumDatagram = 1600;

    /// <summary>Bytes of the longest frame.</summary>
    public const int MaximumSize = HeaderSize + MaximumDatagram;

    /// <summary>Bytes of a keepalive: all zero.</summary>
    public const int KeepaliveSize = PeerOffset;

    /// <summary>How often a node sends a keepalive, which the controller answers with one.</summary>
    public static readonly TimeSpan KeepaliveInterval = TimeSpan.FromSeconds(25);

    /// <summary>How long a connection that brings nothing is taken to be alive.</summary>
    public static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(80);

    private const int PeerOffset = 2;
    private const int PeerSize = 8;

    /// <summary>Writes what is in front of a datagram.</summary>
    /// <param name="frame">Receives <see cref="HeaderSize"/> bytes.</param>
    /// <param name="peer">Whom the datagram is for, or from.</param>
    /// <param name="length">Its length, 1 to <see cref="MaximumDatagram"/>.</param>
    public static void WriteHeader(Span<byte> frame, ulong peer, int length)
    {
        BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)(PeerSize + length));
        BinaryPrimitives.WriteUInt64BigEndian(frame[PeerOffset..], peer);
    }

    /// <summary>Reads what is at the start of some bytes.</summary>
    /// <param name="bytes">The bytes; what is behind the first frame is not looked at.</param>
    /// <param name="peer">Of a datagram, whom it is for or from.</param>
    /// <param name="datagram">The datagram.</param>
    /// <param name="size">Bytes of the frame; 0 for none.</param>
    public static StreamFrameKind Read(ReadOnlySpan<byte> bytes, out ulong peer, out ReadOnlySpan<byte> datagram, out int size)
    {
        (peer, size) = (0, 0);
        datagram = default;
        if (bytes.Length < PeerOffset)
            return StreamFrameKind.Incomplete;
        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        if (length == 0)
        {
            size = KeepaliveSize;
            return StreamFrameKind.Keepalive;
        }
        if (length is <= PeerSize or > PeerSize + MaximumDatagram)
            return StreamFrameKind.Invalid;
        if (bytes.Length < PeerOffset + length)
            return StreamFrameKind.Incomplete;
        size = PeerOffset + length;
        peer = BinaryPrimitives.ReadUInt64BigEndian(bytes[PeerOffset..]);
        datagram = bytes[HeaderSize..size];
        return StreamFrameKind.Datagram;
    }
}
