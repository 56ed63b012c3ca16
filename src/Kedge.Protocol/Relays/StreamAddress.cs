using System.Buffers.Binary;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Relays;

/// <summary>
/// The endpoint that stands for a peer that is reached by a stream to the controller: an address of the discard-only block (RFC 6666), to which
/// nothing is ever routed, with the first bytes of the peer's WireGuard key. By those the controller knows whom a frame is for.
/// </summary>
public static class StreamAddress
{
    /// <summary>The port of all such endpoints.</summary>
    public const ushort Port = 1;

    private const ulong Prefix = 0x0100_0000_0000_0000;

    /// <summary>What a peer is called in frames: the first 8 bytes of its key.</summary>
    public static ulong IdOf(PublicKey key)
    {
        Span<byte> bytes = stackalloc byte[PublicKey.Size];
        key.CopyTo(bytes);
        return BinaryPrimitives.ReadUInt64BigEndian(bytes);
    }

    /// <summary>What the peer that an address stands for is called in frames.</summary>
    public static ulong IdOf(IpAddress address) => (ulong)address.ToBits();

    /// <summary>The endpoint that stands for a peer.</summary>
    public static Endpoint Of(PublicKey key) => Of(IdOf(key));

    /// <summary>The endpoint that stands for what is called so in frames.</summary>
    public static Endpoint Of(ulong id) => new(IpAddress.IPv6(new UInt128(Prefix, id)), Port);

    /// <summary>Whether an address stands for a peer.</summary>
    public static bool IsStream(IpAddress address) => address.IsIPv6 && (ulong)(address.ToBits() >> 64) == Prefix;

    /// <summary>
    /// What is charged for what is sent to an address: addresses that stand for peers have one /64 in common, and would be charged as one.
    /// </summary>
    public static IpAddress Charged(IpAddress address) =>
        IsStream(address) ? IpAddress.IPv6(new UInt128(IdOf(address), 0)) : address;
}
