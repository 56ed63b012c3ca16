using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Store;

/// <summary>
/// Addresses as 16 bytes in network order, IPv4 as IPv4-mapped (RFC 4291 section 2.5.5.2): both families in one index, sorted by value, and
/// a number to count with. A zone has no IPv4-mapped prefix of its own, so no two addresses share a key.
/// </summary>
internal static class AddressKey
{
    private static readonly UInt128 Mapped = (UInt128)0xFFFF << 32;

    /// <summary>The key of an address, 16 bytes.</summary>
    public static byte[] Of(IpAddress address)
    {
        var key = new byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(key, ToNumber(address));
        return key;
    }

    /// <summary>The address of a key.</summary>
    public static IpAddress ToAddress(ReadOnlySpan<byte> key) => FromNumber(BinaryPrimitives.ReadUInt128BigEndian(key));

    /// <summary>The address as a number: the next address is one more.</summary>
    public static UInt128 ToNumber(IpAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.CopyTo(bytes);
        return address.IsIPv4 ? Mapped | BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    /// <summary>The address of a number.</summary>
    public static IpAddress FromNumber(UInt128 number) =>
        number >> 32 == 0xFFFF ? IpAddress.IPv4((uint)number) : IpAddress.IPv6(number);

    /// <summary>The first address of a block.</summary>
    public static UInt128 First(IpPrefix prefix) => ToNumber(prefix.Address);

    /// <summary>The last address of a block.</summary>
    public static UInt128 Last(IpPrefix prefix)
    {
        int free = prefix.Address.Size * 8 - prefix.Length;
        return First(prefix) | (free == 128 ? UInt128.MaxValue : (UInt128.One << free) - 1);
    }
}
