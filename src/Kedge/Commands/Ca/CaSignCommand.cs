using System.CommandLine;
using System.Text.Json;
using Kedge.Commands.Admin;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;

namespace Kedge.Commands.Ca;

/// <summary><c>kedge ca sign --ca DIRECTORY REQUESTS.json</c>: certifies nodes, each after a look at it.</summary>
internal sealed class CaSignCommand : Command
{
    private const string About =
        """
        What 'kedge node requests' wrote; - for standard input.

        The controller that wrote it may be in the wrong hands. Checked here: that a request is for this network; that whoever has the
        identity key has signed for the WireGuard and Rosenpass keys beside it; that no address is certified for two nodes at once.
        Not to be checked here, and therefore shown: whose identity key it is (compare it with what the node itself shows), and name,
        zone, tags, addresses and networks behind the node, which the controller chose.
        """;

    private readonly Option<string> _folder = CaCommand.Folder();

    private readonly Option<int> _days = new("--days")
    {
        Description = "How long the certificates are valid: 1 to 7300 days.",
        HelpName = "N",
        DefaultValueFactory = _ => 365,
    };

    private readonly Option<bool> _yes = new("--yes", "-y") { Description = "Do not ask. Needed where there is no terminal." };
    private readonly Option<bool> _allowUnsigned = new("--allow-unsigned") { Description = "Take the controller's word for the keys of nodes that have not signed them." };
    private readonly Option<string?> _out = new("--out") { Description = "Write the certificates to a file in place of standard output.", HelpName = "FILE" };
    private readonly Argument<string> _requests = new("REQUESTS.json") { Description = About };

    public CaSignCommand()
        : base("sign", "Certify the nodes that wait at a controller, each after a look at it. 'kedge node certify' hands the certificates to the controller.")
    {
        Option[] options = [_folder, _days, _yes, _allowUnsigned, _out];
        foreach (Option option in options)
            Options.Add(option);
        Arguments.Add(_requests);
        _days.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 7300)
                result.AddError("--days must be a number from 1 to 7300.");
        });
        Validators.Add(result =>
        {
            if (!result.GetValue(_yes) && (Console.IsInputRedirected || result.GetValue(_requests) == "-"))
                result.AddError("This asks before it signs, and there is no terminal to answer on: add --yes.");
        });
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        TextWriter screen = call.InvocationConfiguration.Error;
        var folder = AuthorityFolder.Open(call.GetRequiredValue(_folder));
        DateTimeOffset now = DateTimeOffset.UtcNow;
        DateTimeOffset notAfter = now.AddDays(call.GetValue(_days));
        IReadOnlyList<SigningRequest> requests = Read(call.GetRequiredValue(_requests));
        List<NodeCertificate> signed = folder.Unlock(master =>
        {
            List<NodeCertificate> certificates = [];
            foreach (SigningRequest request in requests)
            {
                // One after the other: what was signed for one counts when the next is judged.
                var judged = SigningCase.Judge(request, folder, call.GetValue(_allowUnsigned), now);
                screen.WriteLine(TextTable.FormatProperties(judged.Describe(notAfter)));
                if (judged.Subject is not { } subject || !(call.GetValue(_yes) || Ask(screen, $"Certify {subject.Name}?")))
                    continue;
                NodeCertificate certificate = Certify(master, subject, now, notAfter);
                folder.Keep(certificate);
                certificates.Add(certificate);
            }
            return certificates;
        });
        screen.WriteLine($"{signed.Count} of {requests.Count} certified.");
        if (signed.Count > 0)
            Write(call, new CertificateImport([.. signed.Select(certificate => Convert.ToBase64String(certificate.Der.Span))]));
        return signed.Count == requests.Count ? 0 : 1;
    }

    private static NodeCertificate Certify(CertificateAuthority master, NodeSubject subject, DateTimeOffset now, DateTimeOffset notAfter)
    {
        try
        {
            return master.CertifyNode(subject, AuthorityFolder.NewSerial(), now.AddHours(-1), notAfter);
        }
        catch (ArgumentException e)
        {
            throw new UserError($"The request for {subject.Name} cannot be signed: {e.Message}", e);
        }
    }

    private static bool Ask(TextWriter screen, string question)
    {
        screen.Write($"{question} [y/N] ");
        return Console.In.ReadLine()?.Trim() is "y" or "Y" or "yes";
    }

    private static IReadOnlyList<SigningRequest> Read(string path)
    {
        try
        {
            if (JsonSerializer.Deserialize(FileText.Read(path), ApiJson.Default.IReadOnlyListSigningRequest) is { } requests && !requests.Contains(null!))
                return requests;
        }
        catch (JsonException e)
        {
            throw new UserError($"{path} has no requests: it must be the JSON that 'kedge node requests' wrote. {e.Message}", e);
        }
        throw new UserError($"{path} has no requests: it must be the JSON that 'kedge node requests' wrote.");
    }

    private void Write(ParseResult call, CertificateImport import)
    {
        string json = JsonSerializer.Serialize(import, ApiJson.Default.CertificateImport) + "\n";
        if (call.GetValue(_out) is { } path)
            FileText.Write(path, json);
        else
            call.InvocationConfiguration.Output.Write(json);
    }
}
