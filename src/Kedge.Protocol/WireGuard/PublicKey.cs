using System.Buffers.Binary;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// A peer's static public key, which is also its name: 32 bytes, a Curve25519 point. A value that may be shown and logged.
/// </summary>
public readonly record struct PublicKey
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 32;

    private readonly UInt128 _high, _low;

    private PublicKey(UInt128 high, UInt128 low) => (_high, _low) = (high, low);

    /// <summary>Whether all bytes are zero: no key at all.</summary>
    public bool IsZero => this == default;

    /// <summary>The key in <paramref name="bytes"/>.</summary>
    /// <param name="bytes">32 bytes.</param>
    public static PublicKey FromBytes(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
            throw new ArgumentException($"A public key has {Size} bytes, not {bytes.Length}.", nameof(bytes));
        return new(BinaryPrimitives.ReadUInt128BigEndian(bytes), BinaryPrimitives.ReadUInt128BigEndian(bytes[16..]));
    }

    /// <summary>Writes the key's 32 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt128BigEndian(destination, _high);
        BinaryPrimitives.WriteUInt128BigEndian(destination[16..], _low);
    }

    /// <summary>The key's 32 bytes in a new array.</summary>
    public byte[] ToArray()
    {
        var bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>
    /// Reads a key in base64, as <c>wg pubkey</c> writes it: 44 characters. A key has no other text: where the last digit's two spare bits
    /// are not zero (RFC 4648 section 3.5) it is refused.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PublicKey key)
    {
        Span<byte> bytes = stackalloc byte[Size + 1];
        bool valid = text.Length == 44
            && Convert.TryFromBase64Chars(text, bytes, out int written)
            && written == Size
            && "AEIMQUYcgkosw048".Contains(text[42]);
        key = valid ? FromBytes(bytes[..Size]) : default;
        return valid;
    }

    /// <summary>Reads a key in base64.</summary>
    /// <exception cref="FormatException">The text is not the base64 form of 32 bytes.</exception>
    public static PublicKey Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out PublicKey key) ? key : throw new FormatException($"'{text}' is not a public key: 32 bytes in base64, 44 characters.");

    /// <summary>The key in base64.</summary>
    public override string ToString() => Convert.ToBase64String(ToArray());
}
