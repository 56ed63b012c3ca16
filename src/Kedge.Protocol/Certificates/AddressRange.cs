using System.Buffers.Binary;
using System.Formats.Asn1;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Certificates;

/// <summary>
/// The addresses of one family from a first to a last one, both included: IPAddressOrRange of RFC 3779 section 2.2.3. Addresses are kept
/// as numbers, IPv4 in the upper 32 bits, so that a bit has the same place in both families.
/// </summary>
internal readonly record struct AddressRange
{
    // Of IPv4, the 96 lower bits are zeros in the first address and ones in the last.
    private readonly UInt128 _first, _last;

    private AddressRange(bool isIPv4, UInt128 first, UInt128 last) => (IsIPv4, _first, _last) = (isIPv4, first, last);

    public bool IsIPv4 { get; }

    public static AddressRange Of(IpPrefix prefix)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        prefix.Address.CopyTo(bytes);
        UInt128 first = BinaryPrimitives.ReadUInt128BigEndian(bytes);
        return new(prefix.Address.IsIPv4, first, first | Ones(128 - prefix.Length));
    }

    public bool Contains(AddressRange other) => IsIPv4 == other.IsIPv4 && _first <= other._first && _last >= other._last;

    /// <summary>Joins a range that begins at or behind the first address of this one, where they overlap or touch.</summary>
    public bool TryJoin(AddressRange next, out AddressRange joined)
    {
        bool touches = IsIPv4 == next.IsIPv4 && (next._first <= _last || next._first == _last + 1);
        joined = touches ? new(IsIPv4, _first, UInt128.Max(_last, next._last)) : default;
        return touches;
    }

    /// <summary>Whether <paramref name="next"/> comes behind this range, IPv6 behind IPv4, and there is at least one address between them.</summary>
    public bool StandsApartBefore(AddressRange next) =>
        IsIPv4 == next.IsIPv4 ? _last < next._first && next._first - _last > 1 : IsIPv4;

    /// <summary>The fewest prefixes that make up the range, in order.</summary>
    public IReadOnlyList<IpPrefix> ToPrefixes()
    {
        List<IpPrefix> prefixes = [];
        for (UInt128 from = _first; ;)
        {
            // The largest block that begins here and does not reach beyond the end.
            int host = from == 0 ? 128 : (int)UInt128.TrailingZeroCount(from);
            while ((from | Ones(host)) > _last)
                host--;
            prefixes.Add(new IpPrefix(Address(from), 128 - host));
            if ((from | Ones(host)) == _last)
                return prefixes;
            from = (from | Ones(host)) + 1;
        }
    }

    /// <summary>Writes a prefix where the range is one, and else a range (RFC 3779 section 2.2.3.7).</summary>
    public void Write(AsnWriter writer)
    {
        int different = 128 - (int)UInt128.LeadingZeroCount(_first ^ _last);
        if ((_first & Ones(different)) == 0 && (_last & Ones(different)) == Ones(different))
        {
            WriteBits(writer, _first, 128 - different);
            return;
        }
        // Section 2.2.3.9: without the zeros that end the first address, and without the ones that end the last.
        using AsnWriter.Scope range = writer.PushSequence();
        WriteBits(writer, _first, 128 - (_first == 0 ? 128 : (int)UInt128.TrailingZeroCount(_first)));
        WriteBits(writer, _last, 128 - (int)UInt128.TrailingZeroCount(~_last));
    }

    /// <summary>Reads a prefix or a range; false when it has more bits than an address, or ends before it begins.</summary>
    /// <exception cref="AsnContentException">It is neither.</exception>
    public static bool TryRead(AsnReader reader, bool isIPv4, out AddressRange range)
    {
        range = default;
        int width = isIPv4 ? 32 : 128;
        if (reader.PeekTag().HasSameClassAndValue(Asn1Tag.PrimitiveBitString))
        {
            if (!TryReadBits(reader, width, out UInt128 prefix, out int length))
                return false;
            range = new(isIPv4, prefix, prefix | Ones(128 - length));
            return true;
        }
        AsnReader ends = reader.ReadSequence();
        if (!TryReadBits(ends, width, out UInt128 first, out _) || !TryReadBits(ends, width, out UInt128 last, out int lastLength))
            return false;
        ends.ThrowIfNotEmpty();
        range = new(isIPv4, first, last | Ones(128 - lastLength));
        return range._first <= range._last;
    }

    private static bool TryReadBits(AsnReader reader, int width, out UInt128 bits, out int length)
    {
        byte[] contents = reader.ReadBitString(out int unused);
        length = (contents.Length * 8) - unused;
        Span<byte> all = stackalloc byte[16];
        all.Clear();
        bits = 0;
        if (length > width)
            return false;
        contents.CopyTo(all);
        bits = BinaryPrimitives.ReadUInt128BigEndian(all);
        return true;
    }

    private static void WriteBits(AsnWriter writer, UInt128 bits, int length)
    {
        Span<byte> all = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(all, length == 0 ? 0 : bits & ~Ones(128 - length));
        int size = (length + 7) / 8;
        writer.WriteBitString(all[..size], (size * 8) - length);
    }

    private static UInt128 Ones(int count) => count == 0 ? 0 : UInt128.MaxValue >> (128 - count);

    private IpAddress Address(UInt128 bits) => IsIPv4 ? IpAddress.IPv4((uint)(bits >> 96)) : IpAddress.IPv6(bits);
}
