namespace Kedge.Protocol.Ip;

/// <summary>
/// An address block in CIDR notation, such as <c>10.0.0.0/8</c> or <c>fd00::/64</c>. The bits after the prefix are always zero. The default
/// value is no block and contains nothing.
/// </summary>
public readonly record struct IpPrefix
{
    /// <summary>The block of <paramref name="length"/> leading bits that contains <paramref name="address"/>.</summary>
    /// <param name="address">Any address of the block.</param>
    /// <param name="length">0 to 32 for IPv4, 0 to 128 for IPv6.</param>
    /// <exception cref="ArgumentException">There is no address.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The length does not fit the family.</exception>
    public IpPrefix(IpAddress address, int length)
    {
        if (address.IsNone)
            throw new ArgumentException("A prefix needs an address.", nameof(address));
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, address.Size * 8);
        Address = address.Masked(length);
        Length = length;
    }

    /// <summary>The first address of the block.</summary>
    public IpAddress Address { get; }

    /// <summary>How many leading bits are fixed.</summary>
    public int Length { get; }

    /// <summary>Whether this is no block at all.</summary>
    public bool IsNone => Address.IsNone;

    /// <summary>Whether <paramref name="address"/> is of the same family and inside the block.</summary>
    public bool Contains(IpAddress address) =>
        address.Size == Address.Size && !IsNone && Address.CommonPrefixLength(address) >= Length;

    /// <summary>Reads <c>ADDRESS/LENGTH</c>; a bare address is a block of itself alone. Host bits are cleared.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IpPrefix prefix)
    {
        prefix = default;
        int slash = text.IndexOf('/');
        if (!IpAddress.TryParse(slash < 0 ? text : text[..slash], out IpAddress address))
            return false;
        uint length = (uint)address.Size * 8;
        if (slash >= 0 && !AddressText.TryParseDecimal(text[(slash + 1)..], length, out length))
            return false;
        prefix = new IpPrefix(address, (int)length);
        return true;
    }

    /// <summary>Reads a block.</summary>
    /// <exception cref="FormatException">The text is no block.</exception>
    public static IpPrefix Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out IpPrefix prefix)
            ? prefix
            : throw new FormatException($"'{text}' is not a prefix such as 10.0.0.0/8 or fd00::/64.");

    /// <summary>Orders by family (IPv4 first), then address, then length: a block stands before those inside it.</summary>
    public int CompareTo(IpPrefix other)
    {
        int byAddress = Address.CompareTo(other.Address);
        return byAddress != 0 ? byAddress : Length.CompareTo(other.Length);
    }

    /// <summary>The block in CIDR notation.</summary>
    public override string ToString() => IsNone ? "none" : $"{Address}/{Length}";
}
