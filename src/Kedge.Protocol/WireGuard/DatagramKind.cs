using System.Buffers.Binary;

namespace Kedge.Protocol.WireGuard;

/// <summary>What a datagram that arrived on the UDP port is, as far as its first bytes and its length tell.</summary>
public enum DatagramKind : byte
{
    /// <summary>None of the others.</summary>
    Unknown,

    /// <summary>WireGuard's first handshake message, 148 bytes.</summary>
    HandshakeInitiation,

    /// <summary>WireGuard's second handshake message, 92 bytes.</summary>
    HandshakeResponse,

    /// <summary>WireGuard's cookie reply, 64 bytes.</summary>
    CookieReply,

    /// <summary>WireGuard's transport data, 32 bytes or more.</summary>
    TransportData,

    /// <summary>A STUN message (RFC 8489).</summary>
    Stun,

    /// <summary>A Rosenpass message.</summary>
    Rosenpass,

    /// <summary>A probe of a path: Kedge's own, 84 bytes or more.</summary>
    Probe,

    /// <summary>A datagram that a relay passes on, behind a header of 8 bytes: Kedge's own.</summary>
    Relay,
}

/// <summary>Tells the protocols apart that share the one UDP port.</summary>
public static class Datagram
{
    /// <summary>The first byte of a probe that asks, behind which are three zeros.</summary>
    public const byte Ping = 0xF5;

    /// <summary>The first byte of a probe that answers, behind which are three zeros.</summary>
    public const byte Pong = 0xF6;

    /// <summary>The first byte of a datagram that a relay passes on, behind which are three zeros and the channel.</summary>
    public const byte Relayed = 0xF7;

    private const int LeastTransport = 32;
    private const int LeastProbe = 84;
    private const int StunHeader = 20;
    private const uint StunMagicCookie = 0x2112A442;

    /// <summary>
    /// What <paramref name="datagram"/> is. The kinds exclude each other, so the order of the questions does not matter: a first byte of
    /// WireGuard's with the three zeros behind it would be a STUN message without attributes, 20 bytes long, and no WireGuard
    /// message is that short.
    /// </summary>
    public static DatagramKind Classify(ReadOnlySpan<byte> datagram)
    {
        if (datagram.Length < StunHeader)
            return DatagramKind.Unknown;
        switch (BinaryPrimitives.ReadUInt32LittleEndian(datagram)) // WireGuard's type and the three reserved bytes, which are zero
        {
            case 4 when datagram.Length >= LeastTransport:
                return DatagramKind.TransportData;
            case 1 when datagram.Length == 148:
                return DatagramKind.HandshakeInitiation;
            case 2 when datagram.Length == 92:
                return DatagramKind.HandshakeResponse;
            case 3 when datagram.Length == 64:
                return DatagramKind.CookieReply;
            case Ping or Pong when datagram.Length >= LeastProbe:
                return DatagramKind.Probe;
            case Relayed when datagram.Length >= RelayHeader.Size + LeastTransport:
                return DatagramKind.Relay;
        }
        if (datagram[0] is >= 0x81 and <= 0x86)
            return DatagramKind.Rosenpass;
        return IsStun(datagram) ? DatagramKind.Stun : DatagramKind.Unknown;
    }

    /// <summary>
    /// Whether a datagram of WireGuard may begin with these bytes, or one that a relay passes on, however it goes on: for the first of several
    /// fragments, and for a run of datagrams.
    /// </summary>
    public static bool BeginsLikeWireGuard(ReadOnlySpan<byte> start) =>
        start.Length >= sizeof(uint) && BinaryPrimitives.ReadUInt32LittleEndian(start) is (>= 1 and <= 4) or Relayed;

    /// <summary>RFC 8489 section 5: two zero bits, the magic cookie, and the exact length, a multiple of 4 without the header.</summary>
    private static bool IsStun(ReadOnlySpan<byte> datagram)
    {
        int length = BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]);
        return datagram[0] < 0x40
            && BinaryPrimitives.ReadUInt32BigEndian(datagram[4..]) == StunMagicCookie
            && length % 4 == 0
            && length == datagram.Length - StunHeader;
    }
}
