using System.CommandLine;
using System.Text.Json;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;

namespace Kedge.Commands.Admin;

/// <summary><c>kedge node requests</c>: what a locked network's master key is to sign.</summary>
internal sealed class NodeRequestsCommand : AdminCommand
{
    private readonly Option<string?> _out = Inputs.Text("--out", "FILE", "Write the JSON to a file, to be carried to where the master key is.");

    public NodeRequestsCommand()
        : base("requests", "Locked networks: show who waits for a certificate; with --json or --out, as 'kedge ca sign' reads it.") =>
        Take(hasJson: true, _out);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        IReadOnlyList<SigningRequest> requests = await controller.ListSigningRequestsAsync();
        if (call.GetValue(_out) is not { } path)
        {
            Print(call, requests, Table);
            return;
        }
        FileText.Write(path, ToJson(requests));
        Explain(call, $"{path} has {(requests.Count == 1 ? "1 request" : $"{requests.Count} requests")}. Where the master key is, in a folder 'master': kedge ca sign {path} --ca master");
    }

    private static string Table(IReadOnlyList<SigningRequest> requests) => TextTable.Format(
        ["NAME", "ZONE", "FOR", "ADDRESSES", "BEHIND IT", "TAGS", "HAS SHOWN ITS KEYS"],
        requests.Select(request => (string[])
        [
            request.Name,
            request.ZoneName,
            request.Renewal ? "renewal" : "joining",
            Words.List(request.Addresses),
            Words.List(request.ChildPrefixes),
            Words.List(request.Tags),
            Words.YesNo(request.Proven),
        ]),
        "No node waits for a certificate.");
}

/// <summary><c>kedge node certify FILE</c>: hands over what the master key has signed.</summary>
internal sealed class NodeCertifyCommand : AdminCommand
{
    private readonly Argument<string> _file = new("FILE") { Description = "What 'kedge ca sign' wrote: JSON, or certificates in PEM; - for standard input." };

    public NodeCertifyCommand()
        : base("certify", "Locked networks: hand over certificates that the master key has signed, and the revocation list that belongs to them.") => Take(hasJson: true, _file);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        string path = call.GetRequiredValue(_file);
        CertificateImport import = Read(path, FileText.Read(path));
        CertificateImportResult result = await controller.ImportCertificatesAsync(import);
        Print(call, result, accepted => accepted.Accepted.Count == 1
            ? "1 node has a new certificate.\n"
            : $"{Words.Number(accepted.Accepted.Count)} nodes have a new certificate.\n");
        if (result.Removed.Count > 0)
            Explain(call, $"{result.Removed.Count} removed, because the revocation list names the certificate that they have: {string.Join(", ", result.Removed)}");
    }

    private static CertificateImport Read(string path, string text)
    {
        List<byte[]> pem = Pem.Read(text, Pem.Certificate);
        if (pem.Count > 0)
            return new CertificateImport([.. pem.Select(Convert.ToBase64String)]);
        try
        {
            if (JsonSerializer.Deserialize(text, ApiJson.Default.CertificateImport) is { Certificates.Count: > 0 } import)
                return import;
        }
        catch (JsonException)
        {
            // Said below.
        }
        throw new UserError($"{path} has no certificates: it must be what 'kedge ca sign' wrote, JSON or PEM.");
    }
}

/// <summary><c>kedge node revoke FILE</c>: hands over a revocation list.</summary>
internal sealed class NodeRevokeCommand : AdminCommand
{
    private readonly Argument<string> _file = new("FILE") { Description = "What 'kedge ca revoke' wrote: a revocation list in PEM; - for standard input." };

    public NodeRevokeCommand()
        : base("revoke", "Hand over a revocation list that the master key has signed. The nodes that it names are removed.") =>
        Take(hasJson: true, _file);

    /// <inheritdoc/>
    protected override async Task RunAsync(AdminClient controller, ParseResult call)
    {
        string path = call.GetRequiredValue(_file);
        if (Pem.Read(FileText.Read(path), Pem.RevocationList) is not [var list])
            throw new UserError($"{path} has not one revocation list: it must be the PEM file that 'kedge ca revoke' wrote.");
        RevocationListImportResult result = await controller.ImportRevocationListAsync(new RevocationListImport(Convert.ToBase64String(list)));
        Print(call, result, removed => removed.Removed.Count == 1
            ? "The list is known to all. 1 node is removed.\n"
            : $"The list is known to all. {Words.Number(removed.Removed.Count)} nodes are removed.\n");
    }
}
