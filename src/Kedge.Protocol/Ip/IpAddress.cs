using System.Buffers.Binary;
using System.Net;

namespace Kedge.Protocol.Ip;

/// <summary>
/// An IPv4 or IPv6 address as a value: unlike <see cref="IPAddress"/> it is never allocated. The default value is no address.
/// </summary>
public readonly record struct IpAddress
{
    private readonly UInt128 _bits; // IPv4 in the low 32 bits

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
    public static IpAddress IPv4(uint bits) => new(bits, 4);

    /// <summary>An IPv6 address from its 128 bits in host order.</summary>
    public static IpAddress IPv6(UInt128 bits) => new(bits, 16);

    /// <summary>The address in network order in <paramref name="bytes"/>.</summary>
    /// <exception cref="ArgumentException">The length is neither 4 nor 16 bytes.</exception>
    public static IpAddress FromBytes(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        4 => IPv4(BinaryPrimitives.ReadUInt32BigEndian(bytes)),
        16 => IPv6(BinaryPrimitives.ReadUInt128BigEndian(bytes)),
        _ => throw new ArgumentException($"An address has 4 or 16 bytes, not {bytes.Length}.", nameof(bytes)),
    };

    /// <summary>Writes the address in network order and returns its length, <see cref="Size"/>.</summary>
    public int CopyTo(Span<byte> destination)
    {
        if (IsIPv4)
            BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)_bits);
        else if (IsIPv6)
            BinaryPrimitives.WriteUInt128BigEndian(destination, _bits);
        return Size;
    }

    /// <summary>The bit at <paramref name="index"/>, counted from the most significant one.</summary>
    public int Bit(int index) => (int)(_bits >> (Size * 8 - 1 - index)) & 1;

    /// <summary>This address with all bits after the first <paramref name="length"/> cleared.</summary>
    public IpAddress Masked(int length)
    {
        int host = Size * 8 - length;
        return host >= 128 ? new(UInt128.Zero, Size) : new(_bits >> host << host, Size);
    }

    /// <summary>How many leading bits two addresses of one family share.</summary>
    public int CommonPrefixLength(IpAddress other) =>
        (int)UInt128.LeadingZeroCount(_bits ^ other._bits) - (128 - Size * 8);

    /// <summary>Reads a dotted IPv4 or a textual IPv6 address without scope; shortened IPv4 forms such as <c>10.1</c> are refused.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IpAddress address)
    {
        address = default;
        if (text.IndexOfAny("%[]/") >= 0 || !IPAddress.TryParse(text, out IPAddress? parsed))
            return false;
        Span<byte> bytes = stackalloc byte[16];
        parsed.TryWriteBytes(bytes, out int length);
        address = FromBytes(bytes[..length]);
        return length == 16 || text.Count('.') == 3;
    }

    /// <summary>Reads an address.</summary>
    /// <exception cref="FormatException">The text is no address.</exception>
    public static IpAddress Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out IpAddress address) ? address : throw new FormatException($"'{text}' is not an IPv4 or IPv6 address.");

    /// <summary>The same address as the class of the base library.</summary>
    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[16];
        return IsNone ? IPAddress.None : new IPAddress(bytes[..CopyTo(bytes)]);
    }

    /// <summary>Orders IPv4 before IPv6 and addresses of one family by value: negative, zero or positive as usual.</summary>
    public int CompareTo(IpAddress other) => Size != other.Size ? Size.CompareTo(other.Size) : _bits.CompareTo(other._bits);

    /// <summary>The address in its usual notation; IPv6 as RFC 5952 says.</summary>
    public override string ToString() => IsNone ? "none" : ToIPAddress().ToString();
}
