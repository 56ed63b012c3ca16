using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.ProxyProtocol;

/// <summary>How far a connection's PROXY protocol header has arrived.</summary>
public enum ProxyHeaderStatus
{
    /// <summary>What has arrived may be the beginning of a header.</summary>
    Incomplete,

    /// <summary>The header is complete.</summary>
    Complete,

    /// <summary>The connection does not begin with a header, or the header is malformed, too long, or not for TCP over IP.</summary>
    Invalid,
}

/// <summary>
/// The binary header, version 2, that a proxy sends at the start of a connection to tell whose connection it relays (The PROXY protocol,
/// section 2.2). The text header of version 1 is not supported.
/// </summary>
/// <param name="Source">
/// Where the connection comes from; none if it is the proxy's own (LOCAL, such as a health check) or unknown to the proxy (AF_UNSPEC).
/// </param>
/// <param name="Destination">Where the connection was made to; none if <paramref name="Source"/> is.</param>
/// <param name="Length">The header's length in bytes; the relayed bytes follow it.</param>
public readonly record struct ProxyHeader(Endpoint Source, Endpoint Destination, int Length)
{
    /// <summary>
    /// The longest header accepted, in bytes: the fixed part, the addresses, and room for the TLVs that proxies add. Section 2.2 allows 65,551,
    /// which would be much to buffer for every connection.
    /// </summary>
    public const int MaximumLength = 4096;

    private const int FixedSize = 16;
    private const int IPv4Size = 12, IPv6Size = 36;
    private const byte TcpOverIPv4 = 0x11, TcpOverIPv6 = 0x21;

    /// <summary>The 12 bytes that every header begins with.</summary>
    public static ReadOnlySpan<byte> Signature => [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A];

    /// <summary>Reads a header from what a connection begins with. TLVs after the addresses are skipped.</summary>
    /// <param name="received">What has been received so far; may extend beyond the header.</param>
    /// <param name="header">The header, when it is complete.</param>
    public static ProxyHeaderStatus Parse(ReadOnlySpan<byte> received, out ProxyHeader header)
    {
        header = default;
        int compared = Math.Min(received.Length, Signature.Length);
        if (!received[..compared].SequenceEqual(Signature[..compared]))
            return ProxyHeaderStatus.Invalid;
        if (received.Length > 12 && received[12] is not (0x20 or 0x21))
            return ProxyHeaderStatus.Invalid;
        if (received.Length < FixedSize)
            return ProxyHeaderStatus.Incomplete;
        int length = FixedSize + BinaryPrimitives.ReadUInt16BigEndian(received[14..]);
        if (length > MaximumLength)
            return ProxyHeaderStatus.Invalid;
        bool isLocal = received[12] == 0x20;
        byte family = received[13];
        if (!isLocal && !IsUnderstood(family, length - FixedSize))
            return ProxyHeaderStatus.Invalid;
        if (received.Length < length)
            return ProxyHeaderStatus.Incomplete;
        header = isLocal ? new ProxyHeader(default, default, length) : Read(family, received[FixedSize..], length);
        return ProxyHeaderStatus.Complete;
    }

    private static bool IsUnderstood(byte family, int length) => family switch
    {
        TcpOverIPv4 => length >= IPv4Size,
        TcpOverIPv6 => length >= IPv6Size,
        _ => family == 0,
    };

    private static ProxyHeader Read(byte family, ReadOnlySpan<byte> addresses, int length)
    {
        if (family == 0)
            return new ProxyHeader(default, default, length);
        int size = family == TcpOverIPv4 ? 4 : 16;
        ReadOnlySpan<byte> ports = addresses[(2 * size)..];
        return new ProxyHeader(
            new Endpoint(IpAddress.FromBytes(addresses[..size]), BinaryPrimitives.ReadUInt16BigEndian(ports)),
            new Endpoint(IpAddress.FromBytes(addresses[size..(2 * size)]), BinaryPrimitives.ReadUInt16BigEndian(ports[2..])),
            length);
    }
}
