using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>How a knock of a device, or at it, has ended, as those that watch it are told.</summary>
/// <param name="Asked">Where the device has knocked; none if it was knocked at.</param>
/// <param name="Remote">Where the other end's last message came from; none if none came.</param>
/// <param name="Refusal">Why the two ends do not admit each other, as sentences; null if they do.</param>
/// <param name="Certificate">The other end's certificate, DER; empty if it is refused.</param>
public sealed record KnockEnd(Endpoint Asked, Endpoint Remote, string? Refusal, ReadOnlyMemory<byte> Certificate)
{
    private const string None = "none";
    private const string Key = "knocked=";

    /// <summary>The line: <c>knocked=ASKED REMOTE REFUSAL CERTIFICATE</c>, with <c>none</c> for what there is not.</summary>
    public override string ToString() =>
        $"{Key}{Text(Asked)} {Text(Remote)} {(Refusal is null ? None : Uri.EscapeDataString(Refusal))} "
        + (Certificate.IsEmpty ? None : Base64Url.EncodeToString(Certificate.Span));

    /// <summary>Reads a line without its line feed.</summary>
    internal static bool TryParse(string line, [NotNullWhen(true)] out KnockEnd? end)
    {
        end = null;
        if (!line.StartsWith(Key, StringComparison.Ordinal) || line[Key.Length..].Split(' ') is not [var asked, var remote, var refusal, var certificate])
            return false;
        bool isCertificate = certificate == None || Base64Url.IsValid(certificate);
        if (!TryRead(asked, out Endpoint at) || !TryRead(remote, out Endpoint from) || !isCertificate)
            return false;
        end = new KnockEnd(
            at, from, refusal == None ? null : Uri.UnescapeDataString(refusal),
            certificate == None ? default : Base64Url.DecodeFromChars(certificate));
        return true;
    }

    private static string Text(Endpoint endpoint) => endpoint.IsNone ? None : endpoint.ToString();

    private static bool TryRead(string text, out Endpoint endpoint)
    {
        endpoint = default;
        return text == None || Endpoint.TryParse(text, out endpoint);
    }
}
