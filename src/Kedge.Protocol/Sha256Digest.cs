using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;

namespace Kedge.Protocol;

/// <summary>
/// A SHA-256 hash as a value, 32 bytes: the identifier of a network, the pin of a server, the fingerprint of a certificate. May be shown
/// and logged. Not for hashes that are secrets: it is not compared in constant time.
/// </summary>
public readonly record struct Sha256Digest
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 32;

    private const int TextLength = 43;

    private readonly UInt128 _high, _low;

    private Sha256Digest(UInt128 high, UInt128 low) => (_high, _low) = (high, low);

    /// <summary>The hash of <paramref name="data"/>.</summary>
    public static Sha256Digest Of(ReadOnlySpan<byte> data)
    {
        Span<byte> hash = stackalloc byte[Size];
        SHA256.HashData(data, hash);
        return FromBytes(hash);
    }

    /// <summary>The hash whose bytes are <paramref name="bytes"/>.</summary>
    /// <param name="bytes">32 bytes.</param>
    /// <exception cref="ArgumentException">There are more or fewer.</exception>
    public static Sha256Digest FromBytes(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
            throw new ArgumentException($"A SHA-256 hash has {Size} bytes, not {bytes.Length}.", nameof(bytes));
        return new(BinaryPrimitives.ReadUInt128BigEndian(bytes), BinaryPrimitives.ReadUInt128BigEndian(bytes[16..]));
    }

    /// <summary>Writes the 32 bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="destination"/> is shorter than that.</exception>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt128BigEndian(destination, _high);
        BinaryPrimitives.WriteUInt128BigEndian(destination[16..], _low);
    }

    /// <summary>The 32 bytes in a new array.</summary>
    public byte[] ToArray()
    {
        var bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>
    /// Reads base64url without padding (RFC 4648 section 5), 43 characters. A hash has no other text: where the last digit's two spare bits
    /// are not zero it is refused.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Sha256Digest digest)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bool valid = text.Length == TextLength
            && Base64Url.IsValid(text, out int length)
            && length == Size
            && Base64Url.TryDecodeFromChars(text, bytes, out int written)
            && written == Size
            && "AEIMQUYcgkosw048".Contains(text[^1]);
        digest = valid ? FromBytes(bytes) : default;
        return valid;
    }

    /// <summary>Reads base64url without padding.</summary>
    /// <exception cref="FormatException">The text is not the base64url form of 32 bytes.</exception>
    public static Sha256Digest Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out Sha256Digest digest)
            ? digest
            : throw new FormatException($"'{text}' is not a SHA-256 hash: 32 bytes in base64url without padding, {TextLength} characters.");

    /// <summary>The hash in base64url without padding, 43 characters: fit for URLs, file names and join lines.</summary>
    public override string ToString() => Base64Url.EncodeToString(ToArray());
}
