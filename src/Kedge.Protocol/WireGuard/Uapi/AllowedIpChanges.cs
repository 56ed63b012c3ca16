using System.Buffers.Binary;
using System.Collections;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>One prefix that a peer gets (and any other peer loses) or loses.</summary>
/// <param name="Prefix">The prefix.</param>
/// <param name="Remove">Whether the peer loses it: nothing happens where it is another's.</param>
public readonly record struct AllowedIpChange(IpPrefix Prefix, bool Remove);

/// <summary>
/// Changes of a peer's allowed IPs, in order. A request may have tens of thousands, so each takes 24 bytes here and not the 64 of an
/// <see cref="AllowedIpChange"/>.
/// </summary>
public sealed class AllowedIpChanges : IReadOnlyList<AllowedIpChange>
{
    private readonly List<Packed> _changes = [];

    /// <inheritdoc/>
    public int Count => _changes.Count;

    /// <inheritdoc/>
    public AllowedIpChange this[int index] => _changes[index].Unpack();

    /// <summary>Adds a change at the end.</summary>
    public void Add(AllowedIpChange change) => _changes.Add(Packed.Of(change));

    /// <summary>Forgets all changes.</summary>
    public void Clear() => _changes.Clear();

    /// <inheritdoc/>
    public IEnumerator<AllowedIpChange> GetEnumerator()
    {
        foreach (Packed change in _changes)
            yield return change.Unpack();
    }

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    // The address as two halves, an IPv4 one in the low 32 bits: UInt128 itself would be aligned to 16 bytes.
    private readonly record struct Packed(ulong High, ulong Low, byte Length, bool IsIPv4, bool Remove)
    {
        public static Packed Of(AllowedIpChange change)
        {
            Span<byte> bytes = stackalloc byte[16];
            bytes.Clear();
            IpAddress address = change.Prefix.Address;
            address.CopyTo(bytes[(16 - address.Size)..]);
            UInt128 bits = BinaryPrimitives.ReadUInt128BigEndian(bytes);
            return new((ulong)(bits >> 64), (ulong)bits, (byte)change.Prefix.Length, address.IsIPv4, change.Remove);
        }

        public AllowedIpChange Unpack()
        {
            IpAddress address = IsIPv4 ? IpAddress.IPv4((uint)Low) : IpAddress.IPv6(new UInt128(High, Low));
            return new(new IpPrefix(address, Length), Remove);
        }
    }
}
