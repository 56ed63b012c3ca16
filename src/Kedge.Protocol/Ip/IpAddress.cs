using System.Buffers.Binary;
using System.Net;

namespace Kedge.Protocol.Ip;

/// <summary>
/// An IPv4 or IPv6 address as a value: unlike <see cref="IPAddress"/> it is never allocated. The default value is no address. An
/// IPv4-mapped IPv6 address (<c>::ffff:192.0.2.1</c>) is an IPv6 address and equals no IPv4 address.
/// </summary>
public readonly record struct IpAddress
{
    private readonly UInt128 _bits; // from the most significant bit on, so that a prefix is handled alike in both families

    private IpAddress(UInt128 bits, int size) => (_bits, Size) = (bits, size);

    /// <summary>Length in bytes: 4, 16, or 0 for no address.</summary>
    public int Size { get; }

    /// <summary>Whether this is an IPv4 address.</summary>
    public bool IsIPv4 => Size == 4;

    /// <summary>Whether this is an IPv6 address.</summary>
    public bool IsIPv6 => Size == 16;

    /// <summary>Whether this is no address at all.</summary>
    public bool IsNone => Size == 0;

    /// <summary>Whether this is an IPv6 address of fe80::/10, meaningful only together with an interface.</summary>
    public bool IsIPv6LinkLocal => IsIPv6 && (_bits >> 118) == 0x3FA;

    /// <summary>An IPv4 address from its 32 bits in host order.</summary>
    public static IpAddress IPv4(uint bits) => new((UInt128)bits << 96, 4);

    /// <summary>An IPv6 address from its 128 bits in host order.</summary>
    public static IpAddress IPv6(UInt128 bits) => new(bits, 16);

    /// <summary>Its bits in host order, from the most significant one on; 0 for no address.</summary>
    internal UInt128 ToBits() => _bits;

    /// <summary>The address in network order in <paramref name="bytes"/>.</summary>
    /// <exception cref="ArgumentException">The length is neither 4 nor 16 bytes.</exception>
    public static IpAddress FromBytes(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        4 => IPv4(BinaryPrimitives.ReadUInt32BigEndian(bytes)),
        16 => IPv6(BinaryPrimitives.ReadUInt128BigEndian(bytes)),
        _ => throw new ArgumentException($"An address has 4 or 16 bytes, not {bytes.Length}.", nameof(bytes)),
    };

    /// <summary>Writes the address in network order and returns its length, <see cref="Size"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="destination"/> is shorter than <see cref="Size"/>.</exception>
    public int CopyTo(Span<byte> destination)
    {
        if (IsIPv4)
            BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)(_bits >> 96));
        else if (IsIPv6)
            BinaryPrimitives.WriteUInt128BigEndian(destination, _bits);
        return Size;
    }

    /// <summary>The bit at <paramref name="index"/> (0 to 8 * <see cref="Size"/> - 1), counted from the most significant one.</summary>
    public int Bit(int index)
    {
        ulong half = index < 64 ? (ulong)(_bits >> 64) : (ulong)_bits;
        return (int)(half >> (63 - index)) & 1; // a shift by a negative number counts modulo 64
    }

    /// <summary>This address with all bits after the first <paramref name="length"/> (0 to 8 * <see cref="Size"/>) cleared.</summary>
    public IpAddress Masked(int length) => new(length == 0 ? default : _bits & (UInt128.MaxValue << (128 - length)), Size);

    /// <summary>
    /// The IPv4 address in an IPv4-mapped IPv6 one (<c>::ffff:192.0.2.1</c>), as sockets of both families show it; any other address as it is.
    /// </summary>
    public IpAddress Unmapped() => IsIPv6 && _bits >> 32 == 0xFFFF ? IPv4((uint)_bits) : this;

    /// <summary>How many leading bits two addresses share: up to 8 * <see cref="Size"/>, and none where the families differ.</summary>
    public int CommonPrefixLength(IpAddress other) =>
        Size == other.Size ? Math.Min((int)UInt128.LeadingZeroCount(_bits ^ other._bits), 8 * Size) : 0;

    /// <summary>
    /// Reads four decimal octets, or an IPv6 address as RFC 4291 section 2.2 says. Everything else is refused: abbreviated, octal and
    /// hexadecimal IPv4 forms, a scope, a port, blanks.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IpAddress address)
    {
        address = default;
        if (text.Contains(':'))
        {
            if (!AddressText.TryParseIPv6(text, out UInt128 ipv6))
                return false;
            address = IPv6(ipv6);
            return true;
        }
        if (!AddressText.TryParseIPv4(text, out uint ipv4))
            return false;
        address = IPv4(ipv4);
        return true;
    }

    /// <summary>Reads an address.</summary>
    /// <exception cref="FormatException">The text is no address.</exception>
    public static IpAddress Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out IpAddress address)
            ? address
            : throw new FormatException($"'{text}' is not an IPv4 or IPv6 address such as 192.0.2.1 or 2001:db8::1.");

    /// <summary>The same address as the class of the base library.</summary>
    /// <exception cref="InvalidOperationException">This is no address.</exception>
    public IPAddress ToIPAddress()
    {
        if (IsNone)
            throw new InvalidOperationException("There is no address to convert.");
        Span<byte> bytes = stackalloc byte[16];
        return new IPAddress(bytes[..CopyTo(bytes)]);
    }

    /// <summary>Orders IPv4 before IPv6 and addresses of one family by value: negative, zero or positive as usual.</summary>
    public int CompareTo(IpAddress other) => Size != other.Size ? Size.CompareTo(other.Size) : _bits.CompareTo(other._bits);

    /// <summary>The address in its usual notation; IPv6 as RFC 5952 says.</summary>
    public override string ToString() => IsNone ? "none" : ToIPAddress().ToString();
}
