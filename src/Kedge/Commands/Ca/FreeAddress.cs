using System.Buffers.Binary;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Ca;

/// <summary>Which address of a network can be suggested to the person who certifies its nodes.</summary>
internal static class FreeAddress
{
    /// <summary>
    /// The first address of a network that nobody has. The first and, of IPv4, the last of a prefix are left out: they can mean the network
    /// itself, and everybody in it.
    /// </summary>
    /// <param name="network">The network's addresses.</param>
    /// <param name="taken">What is certified.</param>
    /// <returns>No address where none is free, or the network is bound to no prefixes.</returns>
    public static IpAddress Find(AddressBlocks network, IReadOnlyCollection<IpPrefix> taken)
    {
        foreach (IpPrefix prefix in network.Prefixes.Where(ReservedPrefixes.IsUsableOverlay))
        {
            UInt128 end = Last(prefix) - (prefix.Address.IsIPv4 ? 1u : 0u);
            for (UInt128 number = ToNumber(prefix.Address) + 1; number <= end;)
            {
                IpAddress candidate = ToAddress(number, prefix.Address.Size);
                IpPrefix holder = taken.FirstOrDefault(one => one.Contains(candidate));
                if (holder.IsNone)
                    return candidate;
                number = Last(holder) + 1;
            }
        }
        return default;
    }

    private static UInt128 Last(IpPrefix prefix)
    {
        int free = (prefix.Address.Size * 8) - prefix.Length; // fewer than 128: no prefix here is a default route
        return ToNumber(prefix.Address) | ((UInt128.One << free) - 1);
    }

    private static UInt128 ToNumber(IpAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        return address.CopyTo(bytes) == 4 ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    private static IpAddress ToAddress(UInt128 number, int size) => size == 4 ? IpAddress.IPv4((uint)number) : IpAddress.IPv6(number);
}
