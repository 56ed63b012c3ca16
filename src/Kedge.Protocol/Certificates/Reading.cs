using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;

namespace Kedge.Protocol.Certificates;

/// <summary>Where the reading of bytes from strangers begins and ends: nothing that they contain gets out of here as an exception.</summary>
internal static class Reading
{
    /// <summary>Reads a copy of <paramref name="der"/>.</summary>
    /// <param name="der">The bytes.</param>
    /// <param name="maximumSize">The largest number of bytes that is read.</param>
    /// <param name="read">Makes the result, or throws <see cref="AsnContentException"/> or <see cref="RefusedException"/>.</param>
    /// <param name="result">The result, when it could be made.</param>
    /// <param name="refusal">Why not, when it could not.</param>
    public static bool Try<T>(
        ReadOnlySpan<byte> der, int maximumSize, Func<byte[], T> read, [NotNullWhen(true)] out T? result, out CertificateRefusal refusal)
        where T : class
    {
        result = null;
        refusal = CertificateRefusal.TooLarge;
        if (der.Length > maximumSize)
            return false;
        try
        {
            result = read(der.ToArray());
            refusal = default;
            return true;
        }
        catch (AsnContentException)
        {
            refusal = CertificateRefusal.Malformed;
        }
        catch (RefusedException e)
        {
            refusal = e.Refusal;
        }
        return false;
    }
}
