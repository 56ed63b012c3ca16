using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Kedge.Commands.Admin;

namespace Kedge.Commands.Ca;

/// <summary>How <c>kedge ca show</c> and <c>kedge cert show</c> write what certificates say.</summary>
internal static class CertificateText
{
    // Base64 is full of '+', which the default encoder would escape for the sake of HTML.
    private static readonly CertificateJson Json = new(new JsonSerializerOptions(CertificateJson.Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    /// <summary>The option for programs.</summary>
    public static Option<bool> JsonOption() => new("--json") { Description = "Print a JSON array." };

    /// <summary>Writes descriptions, for people or as JSON.</summary>
    public static void Write(TextWriter output, IReadOnlyList<CertificateDescription> descriptions, bool asJson)
    {
        if (asJson)
            output.WriteLine(JsonSerializer.Serialize(descriptions, Json.IReadOnlyListCertificateDescription));
        else
            output.Write(string.Join('\n', descriptions.Select(description => TextTable.FormatProperties(Rows(description)))));
    }

    private static IEnumerable<(string Name, string Value)> Rows(CertificateDescription shown)
    {
        string subject = shown.Kind switch { "revocationList" => "revocation list", "request" => "request of", _ => shown.Kind };
        (string Name, string? Value)[] rows =
        [
            (subject, shown.Name ?? $"number {shown.Number}, of {shown.MadeAt:u}"),
            ("network", shown.NetworkId),
            ("zone", shown.ZoneId?.ToString()),
            ("addresses", List(shown.Addresses)),
            (shown.Kind == "request" ? "networks behind it" : "prefixes", List(shown.Prefixes)),
            ("tags", List(shown.Tags)),
            ("WireGuard key", shown.WireGuardKey),
            ("Rosenpass", shown.RosenpassKeyHash),
            (shown.Kind switch { "node" or "request" => "identity key", "other" => "pin", _ => "key" }, shown.KeyHash),
            ("issuer", shown.Issuer),
            ("serial", shown.Serial),
            ("valid", shown.NotBefore is { } from ? $"{from:u} to {shown.NotAfter:u}" : null),
            ("fingerprint", shown.Fingerprint),
            ("revoked", shown.Revoked is true ? "yes" : null),
            (shown.Kind == "request" ? "cannot be signed" : "not for Kedge's network", shown.Refusal),
            .. (shown.RevokedCertificates ?? []).Select(entry =>
                ("revoked", string.Create(CultureInfo.InvariantCulture, $"{entry.Serial} since {entry.RevokedAt:u}"))),
        ];
        return rows.Where(row => row.Value is not null).Select(row => (row.Name, row.Value!));
    }

    private static string? List(IReadOnlyList<string>? values) => values is { Count: > 0 } ? string.Join(", ", values) : null;
}
