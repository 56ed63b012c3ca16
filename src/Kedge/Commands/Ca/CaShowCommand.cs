using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Kedge.Commands.Admin;
using Kedge.Protocol.Certificates;

namespace Kedge.Commands.Ca;

/// <summary><c>kedge ca show FILE|DIRECTORY</c>: what certificates and revocation lists say.</summary>
internal sealed class CaShowCommand : Command
{
    // Base64 is full of '+', which the default encoder would escape for the sake of HTML.
    private static readonly CertificateJson Json = new(new JsonSerializerOptions(CertificateJson.Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    private readonly Argument<string> _path = new("FILE|DIRECTORY")
    {
        Description = "Certificates or revocation lists in PEM or DER, or the folder of a master key with all that it has signed.",
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print a JSON array." };

    public CaShowCommand()
        : base("show", "Show what certificates say: whose they are, the network's identifier, the pin. In a folder signatures are checked, in a file they are not.")
    {
        Arguments.Add(_path);
        Options.Add(_json);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        string path = call.GetRequiredValue(_path);
        IReadOnlyList<CertificateDescription> descriptions = Directory.Exists(path)
            ? DescribeFolder(AuthorityFolder.Open(path))
            : [.. PemFile.Read(path).Select(item => CertificateDescription.Of(path, item))];
        TextWriter output = call.InvocationConfiguration.Output;
        if (call.GetValue(_json))
            output.WriteLine(JsonSerializer.Serialize(descriptions, Json.IReadOnlyListCertificateDescription));
        else
            output.Write(string.Join('\n', descriptions.Select(description => TextTable.FormatProperties(Rows(description)))));
        return 0;
    }

    private static List<CertificateDescription> DescribeFolder(AuthorityFolder folder)
    {
        List<CertificateDescription> descriptions = [CertificateDescription.Of(folder.Master)];
        if (folder.Revoked is { } list)
            descriptions.Add(CertificateDescription.Of(list));
        foreach (NodeCertificate certificate in folder.Issued)
        {
            CertificateRefusal? refusal = folder.Trust.VerifyIgnoringDates(certificate, certificate.ZoneId);
            descriptions.Add(CertificateDescription.Of(certificate) with
            {
                Revoked = refusal == CertificateRefusal.Revoked,
                Refusal = refusal is { } reason and not CertificateRefusal.Revoked ? reason.Sentence() : null,
            });
        }
        return descriptions;
    }

    private static IEnumerable<(string Name, string Value)> Rows(CertificateDescription shown)
    {
        string subject = shown.Kind == "revocationList" ? "revocation list" : shown.Kind;
        (string Name, string? Value)[] rows =
        [
            (subject, shown.Name ?? $"number {shown.Number}, of {shown.MadeAt:u}"),
            ("network", shown.NetworkId),
            ("zone", shown.ZoneId?.ToString()),
            ("addresses", List(shown.Addresses)),
            ("prefixes", List(shown.Prefixes)),
            ("tags", List(shown.Tags)),
            ("WireGuard key", shown.WireGuardKey),
            ("Rosenpass", shown.RosenpassKeyHash),
            (shown.Kind switch { "node" => "identity key", "other" => "pin", _ => "key" }, shown.KeyHash),
            ("issuer", shown.Issuer),
            ("serial", shown.Serial),
            ("valid", shown.NotBefore is { } from ? $"{from:u} to {shown.NotAfter:u}" : null),
            ("fingerprint", shown.Fingerprint),
            ("revoked", shown.Revoked is true ? "yes" : null),
            ("not for Kedge's network", shown.Refusal),
            .. (shown.RevokedCertificates ?? []).Select(entry =>
                ("revoked", string.Create(CultureInfo.InvariantCulture, $"{entry.Serial} since {entry.RevokedAt:u}"))),
        ];
        return rows.Where(row => row.Value is not null).Select(row => (row.Name, row.Value!));
    }

    private static string? List(IReadOnlyList<string>? values) => values is { Count: > 0 } ? string.Join(", ", values) : null;
}
