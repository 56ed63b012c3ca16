using System.Buffers.Text;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>How a knock of a device, or at it, has ended, as those that watch it are told.</summary>
/// <param name="Asked">Where the device has knocked; none if it was knocked at.</param>
/// <param name="Remote">Where the other end's last message came from; none if none came.</param>
/// <param name="Refusal">Why the two ends do not admit each other, as sentences; null if they do.</param>
/// <param name="Certificate">The other end's certificate, DER; empty if it is refused.</param>
public sealed record KnockEnd(Endpoint Asked, Endpoint Remote, string? Refusal, ReadOnlyMemory<byte> Certificate) : DeviceEvent
{
    internal const string Key = "knocked";

    private const string None = "none";

    /// <summary>The line: <c>knocked=ASKED REMOTE REFUSAL CERTIFICATE</c>, with <c>none</c> for what there is not.</summary>
    public override string ToLine() =>
        $"{Key}={Text(Asked)} {Text(Remote)} {(Refusal is null ? None : Uri.EscapeDataString(Refusal))} "
        + (Certificate.IsEmpty ? None : Base64Url.EncodeToString(Certificate.Span));

    internal static KnockEnd? Read(string[] words)
    {
        if (words is not [var asked, var remote, var refusal, var certificate] || !TryRead(asked, out Endpoint at) || !TryRead(remote, out Endpoint from))
            return null;
        if (certificate != None && !Base64Url.IsValid(certificate))
            return null;
        return new KnockEnd(
            at, from, refusal == None ? null : Uri.UnescapeDataString(refusal),
            certificate == None ? default : Base64Url.DecodeFromChars(certificate));
    }

    private static string Text(Endpoint endpoint) => endpoint.IsNone ? None : endpoint.ToString();

    private static bool TryRead(string text, out Endpoint endpoint)
    {
        endpoint = default;
        return text == None || Endpoint.TryParse(text, out endpoint);
    }
}
