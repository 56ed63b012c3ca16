using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Certificates;

/// <summary>
/// A set of IPv4 and IPv6 addresses as RFC 3779 writes it in a certificate. Every set has exactly one canonical form (section 2.2.3), so
/// two are equal when their bytes are. Immutable; any thread.
/// </summary>
public sealed class AddressBlocks : IEquatable<AddressBlocks>
{
    /// <summary>How many prefixes a set may take to write down. A range can stand for more than two hundred, a certificate for thousands.</summary>
    public const int MaximumCount = 1024;

    /// <summary>All addresses of both families: what an authority's certificate has that is bound to none.</summary>
    public static readonly AddressBlocks All = Of([new(IpAddress.IPv4(0), 0), new(IpAddress.IPv6(0), 0)]);

    private const int AddressFamilyIPv4 = 1, AddressFamilyIPv6 = 2; // IANA's Address Family Numbers

    private readonly IReadOnlyList<AddressRange> _ranges;

    private AddressBlocks(IReadOnlyList<AddressRange> ranges)
    {
        _ranges = ranges;
        Prefixes = [.. ranges.SelectMany(range => range.ToPrefixes())];
    }

    /// <summary>
    /// The set as prefixes: as few as possible, without overlap, in the order of <see cref="IpPrefix.CompareTo"/>. Neighbours that fit
    /// together are one.
    /// </summary>
    public IReadOnlyList<IpPrefix> Prefixes { get; }

    /// <summary>The set of all addresses of <paramref name="prefixes"/>, which may overlap and have any order.</summary>
    /// <exception cref="ArgumentException">There are none, or it takes more than <see cref="MaximumCount"/> prefixes to write it.</exception>
    public static AddressBlocks Of(IEnumerable<IpPrefix> prefixes)
    {
        List<AddressRange> ranges = [];
        foreach (AddressRange range in prefixes.Order(Comparer<IpPrefix>.Create((a, b) => a.CompareTo(b))).Select(AddressRange.Of))
        {
            if (ranges.Count > 0 && ranges[^1].TryJoin(range, out AddressRange joined))
                ranges[^1] = joined;
            else
                ranges.Add(range);
        }
        var blocks = new AddressBlocks(ranges);
        return blocks.Prefixes.Count is > 0 and <= MaximumCount
            ? blocks
            : throw new ArgumentException($"A certificate has 1 to {MaximumCount} prefixes, not {blocks.Prefixes.Count}.", nameof(prefixes));
    }

    /// <summary>Whether every address of <paramref name="other"/> is in this set.</summary>
    public bool Contains(AddressBlocks other) =>
        // Ranges do not touch one another, so what is inside the set is inside one of them.
        other._ranges.All(inner => _ranges.Any(outer => outer.Contains(inner)));

    /// <inheritdoc/>
    public bool Equals(AddressBlocks? other) => other is not null && _ranges.SequenceEqual(other._ranges);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as AddressBlocks);

    /// <inheritdoc/>
    public override int GetHashCode() => _ranges.Aggregate(0, HashCode.Combine);

    /// <summary>The prefixes in CIDR notation, with commas between them.</summary>
    public override string ToString() => string.Join(", ", Prefixes);

    /// <summary>Writes the canonical IPAddrBlocks (RFC 3779 section 2.2.3).</summary>
    internal void Write(AsnWriter writer)
    {
        using AsnWriter.Scope blocks = writer.PushSequence();
        foreach (IGrouping<bool, AddressRange> family in _ranges.GroupBy(range => range.IsIPv4)) // in order: IPv4 comes first
        {
            using AsnWriter.Scope addressFamily = writer.PushSequence();
            writer.WriteOctetString([0, (byte)(family.Key ? AddressFamilyIPv4 : AddressFamilyIPv6)]);
            using AsnWriter.Scope addressesOrRanges = writer.PushSequence();
            foreach (AddressRange range in family)
                range.Write(writer);
        }
    }

    /// <summary>
    /// Reads IPAddrBlocks. Refused are: inherited blocks, other families, a subsequent address family (SAFI), none at all, more than
    /// <see cref="MaximumCount"/>, and every form but the canonical one.
    /// </summary>
    internal static bool TryRead(ReadOnlyMemory<byte> der, [NotNullWhen(true)] out AddressBlocks? blocks)
    {
        blocks = null;
        try
        {
            List<AddressRange> ranges = [];
            var reader = new AsnReader(der, AsnEncodingRules.DER);
            AsnReader families = reader.ReadSequence();
            reader.ThrowIfNotEmpty();
            while (families.HasData)
            {
                AsnReader family = families.ReadSequence();
                if (family.ReadOctetString() is not [0, (AddressFamilyIPv4 or AddressFamilyIPv6) and byte number])
                    return false;
                AsnReader addressesOrRanges = family.ReadSequence();
                family.ThrowIfNotEmpty();
                while (addressesOrRanges.HasData)
                {
                    if (!AddressRange.TryRead(addressesOrRanges, isIPv4: number == AddressFamilyIPv4, out AddressRange range))
                        return false;
                    ranges.Add(range);
                }
            }
            return TryMake(ranges, der.Span, out blocks);
        }
        catch (AsnContentException)
        {
            return false;
        }
    }

    private static bool TryMake(List<AddressRange> ranges, ReadOnlySpan<byte> der, [NotNullWhen(true)] out AddressBlocks? blocks)
    {
        blocks = null;
        // Counted before they are kept: a few hundred bytes can stand for many prefixes.
        if (ranges.Count == 0 || ranges.SelectMany(range => range.ToPrefixes()).Take(MaximumCount + 1).Count() > MaximumCount)
            return false;
        // In order, and with a gap between any two: then it is the canonical form if it is what we would write.
        bool inOrder = ranges.Zip(ranges.Skip(1)).All(pair => pair.First.StandsApartBefore(pair.Second));
        var read = new AddressBlocks(ranges);
        var writer = new AsnWriter(AsnEncodingRules.DER);
        read.Write(writer);
        if (!inOrder || !writer.EncodedValueEquals(der))
            return false;
        blocks = read;
        return true;
    }
}
