namespace Kedge.Protocol.Certificates;

/// <summary>A certificate's serial number: positive, at most 20 bytes (RFC 5280 section 4.1.2.2). The default value is no number.</summary>
public readonly record struct SerialNumber
{
    /// <summary>Length in bytes of the numbers that Kedge gives.</summary>
    public const int Size = 16;

    private const int MaximumSize = 20;

    private readonly string? _digits; // equal numbers have equal digits: DER has no leading zeros

    private SerialNumber(string digits) => _digits = digits;

    /// <summary>A number that nobody can predict, of 16 bytes.</summary>
    public static SerialNumber Create(RandomBytes random)
    {
        Span<byte> bytes = stackalloc byte[Size];
        random(bytes);
        bytes[0] = (byte)((bytes[0] & 0x3F) | 0x40); // positive, and always of the same length
        return new(Convert.ToHexStringLower(bytes));
    }

    /// <summary>Reads the contents of a DER INTEGER.</summary>
    /// <returns>False for zero, a negative number, or one of more than 20 bytes.</returns>
    internal static bool TryRead(ReadOnlySpan<byte> contents, out SerialNumber serial)
    {
        serial = default;
        if (contents.IsEmpty || contents.Length > MaximumSize || contents[0] >= 0x80 || contents is [0])
            return false;
        serial = new(Convert.ToHexStringLower(contents));
        return true;
    }

    /// <summary>The contents of the DER INTEGER.</summary>
    /// <exception cref="InvalidOperationException">This is no number.</exception>
    public byte[] ToArray() => Convert.FromHexString(_digits ?? throw new InvalidOperationException("There is no serial number."));

    /// <summary>The number in lower-case hexadecimal, two digits a byte.</summary>
    public override string ToString() => _digits ?? "none";
}
