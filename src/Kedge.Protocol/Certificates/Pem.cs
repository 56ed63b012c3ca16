using System.Security.Cryptography;

namespace Kedge.Protocol.Certificates;

/// <summary>Certificates and revocation lists as text (RFC 7468).</summary>
public static class Pem
{
    /// <summary>The label of a certificate (section 5).</summary>
    public const string Certificate = "CERTIFICATE";

    /// <summary>The label of a revocation list (section 7).</summary>
    public const string RevocationList = "X509 CRL";

    /// <summary>All parts of a text that have a label, DER, in their order; whatever else is in the text is skipped.</summary>
    public static List<byte[]> Read(ReadOnlySpan<char> text, string label)
    {
        List<byte[]> found = [];
        while (PemEncoding.TryFind(text, out PemFields fields))
        {
            if (text[fields.Label].SequenceEqual(label))
                found.Add(Convert.FromBase64String(text[fields.Base64Data].ToString()));
            text = text[fields.Location.End..];
        }
        return found;
    }

    /// <summary>Writes parts that have the same label, one behind the other.</summary>
    /// <param name="label">The label.</param>
    /// <param name="parts">The parts, DER.</param>
    public static string Write(string label, IEnumerable<ReadOnlyMemory<byte>> parts) =>
        string.Concat(parts.Select(der => PemEncoding.WriteString(label, der.Span) + "\n"));
}
