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

    /// <summary>A message by which two nodes introduce themselves to each other: Kedge's own, 40 to 1,200 bytes.</summary>
    Knock,
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

    /// <summary>The first byte of a knock's first message, behind which are the version 1 and two zeros. 1,200 bytes.</summary>
    public const byte KnockInitiation = 0xF1;

    /// <summary>The first byte of a knock's second message, behind which are the version 1 and two zeros. 121 to 1,200 bytes.</summary>
    public const byte KnockResponse = 0xF2;

    /// <summary>The first byte of a knock's third message, behind which are the version 1 and two zeros. 105 to 1,200 bytes.</summary>
    public const byte KnockConfirmation = 0xF3;

    /// <summary>The first byte of a cookie for one who knocks, behind which are three zeros. 64 bytes.</summary>
    public const byte KnockCookie = 0xF4;

    /// <summary>The first byte of a part of a certificate, behind which are three zeros. 40 to 1,200 bytes.</summary>
    public const byte KnockPart = 0xF8;

    /// <summary>The first byte of the message that ends a knock, behind which are three zeros. 40 bytes.</summary>
    public const byte KnockResult = 0xF9;

    private const uint KnockVersion = 0x0100;
    private const int MostKnock = 1200;
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
            case KnockVersion | KnockInitiation when datagram.Length == MostKnock:
            case KnockVersion | KnockResponse when datagram.Length is > 120 and <= MostKnock:
            case KnockVersion | KnockConfirmation when datagram.Length is > 104 and <= MostKnock:
            case KnockCookie when datagram.Length == 64:
            case KnockPart when datagram.Length is >= 40 and <= MostKnock:
            case KnockResult when datagram.Length == 40:
                return DatagramKind.Knock;
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
