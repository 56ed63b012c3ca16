using System.Formats.Asn1;

namespace Kedge.Protocol.Certificates;

/// <summary>The two numbers of an ECDSA P-256 signature, and their DER form (RFC 3279 section 2.2.3).</summary>
internal static class EcdsaSignature
{
    /// <summary>Length of r and s, one after the other, in bytes.</summary>
    public const int Size = 64;

    /// <summary>Reads the DER form strictly: two numbers from 0 to 2^256 - 1 and nothing else.</summary>
    /// <param name="der">The DER form.</param>
    /// <param name="numbers">Where r and s go, <see cref="Size"/> bytes.</param>
    public static bool TryReadDer(ReadOnlySpan<byte> der, Span<byte> numbers)
    {
        try
        {
            AsnDecoder.ReadSequence(der, AsnEncodingRules.DER, out int offset, out int length, out int consumed);
            if (consumed != der.Length)
                return false;
            ReadOnlySpan<byte> contents = der.Slice(offset, length);
            return TryTake(ref contents, numbers[..(Size / 2)]) && TryTake(ref contents, numbers[(Size / 2)..Size]) && contents.IsEmpty;
        }
        catch (AsnContentException)
        {
            return false;
        }
    }

    private static bool TryTake(ref ReadOnlySpan<byte> contents, Span<byte> number)
    {
        ReadOnlySpan<byte> digits = AsnDecoder.ReadIntegerBytes(contents, AsnEncodingRules.DER, out int consumed);
        contents = contents[consumed..];
        if (digits[0] >= 0x80)
            return false;
        digits = digits.TrimStart((byte)0);
        if (digits.Length > number.Length)
            return false;
        number.Clear();
        digits.CopyTo(number[(number.Length - digits.Length)..]);
        return true;
    }
}
