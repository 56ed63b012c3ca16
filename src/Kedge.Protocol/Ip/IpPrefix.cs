using System.Globalization;

namespace Kedge.Protocol.Ip;

/// <summary>An address block in CIDR notation, such as <c>10.0.0.0/8</c> or <c>fd00::/64</c>. The bits after the prefix are always zero.</summary>
public readonly record struct IpPrefix
{
    /// <summary>The block of <paramref name="length"/> leading bits that contains <paramref name="address"/>.</summary>
    /// <param name="address">Any address of the block.</param>
    /// <param name="length">0 to 32 for IPv4, 0 to 128 for IPv6.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length does not fit the family.</exception>
    public IpPrefix(IpAddress address, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, address.Size * 8);
        Address = address.Masked(length);
        Length = length;
    }

    /// <summary>The first address of the block.</summary>
    public IpAddress Address { get; }

    /// <summary>How many leading bits are fixed.</summary>
    public int Length { get; }

    /// <summary>Whether <paramref name="address"/> is of the same family and inside the block.</summary>
    public bool Contains(IpAddress address) => address.Size == Address.Size && address.Masked(Length) == Address;

    /// <summary>Reads <c>ADDRESS/LENGTH</c>; a bare address is a block of itself alone. Host bits are cleared.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IpPrefix prefix)
    {
        prefix = default;
        int slash = text.IndexOf('/');
        if (!IpAddress.TryParse(slash < 0 ? text : text[..slash], out IpAddress address))
            return false;
        int length = address.Size * 8;
        if (slash >= 0 && (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > address.Size * 8))
            return false;
        prefix = new IpPrefix(address, length);
        return true;
    }

    /// <summary>Reads a block.</summary>
    /// <exception cref="FormatException">The text is no block.</exception>
    public static IpPrefix Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out IpPrefix prefix) ? prefix : throw new FormatException($"'{text}' is not a prefix such as 10.0.0.0/8 or fd00::/64.");

    /// <summary>The block in CIDR notation.</summary>
    public override string ToString() => $"{Address}/{Length}";
}
