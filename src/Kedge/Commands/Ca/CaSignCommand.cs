using System.CommandLine;
using System.Text.Json;
using Kedge.Commands.Admin;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.WireGuard;

namespace Kedge.Commands.Ca;

/// <summary><c>kedge ca sign --ca DIRECTORY REQUESTS.json</c>: certifies nodes, each after a look at it.</summary>
internal sealed class CaSignCommand : Command
{
    private const string About =
        """
        What 'kedge node requests' wrote; - for standard input.

        The controller that wrote it may be in the wrong hands. Checked here: that a request is for this network; that whoever has the
        identity key has signed for the WireGuard and Rosenpass keys beside it; that no address is certified for two nodes at once; and
        for a node that was invited ('kedge ca invite'), that name and keys are its own. Such a node is certified without a question.
        For any other, whose identity key it is cannot be checked here: compare it with what 'kedge status' shows on the node itself, and
        say yes, or name it with --expect. Name, zone, tags, addresses and networks behind the node are shown: the controller chose them.

        What a new certificate takes the place of, with another key, name or address, is revoked; 'kedge node certify' hands that over too.
        """;

    private readonly Option<string> _folder = CaCommand.Folder();

    private readonly Option<int> _days = new("--days")
    {
        Description = "How long the certificates are valid: 1 to 7300 days.",
        HelpName = "N",
        DefaultValueFactory = _ => 365,
    };

    private readonly Option<bool> _yes = new("--yes", "-y") { Description = "On a terminal, take yes for the answer to every question." };

    private readonly Option<string[]> _expect = new("--expect")
    {
        Description = "The identity key that 'kedge status' shows on the node of this name; of a stock peer, its WireGuard key. A request with "
            + "another key is refused. Needed where there is no terminal, for nodes that were not invited. Repeatable.",
        HelpName = "NAME=HASH",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string[]> _relays = new("--relay")
    {
        Description = "Let the node of this name pass on packets between others ('kedge up --relay'): its certificate gets the tag "
            + $"'{NodeSubject.RelayTag}' though the controller did not ask for it. Repeatable.",
        HelpName = "NAME",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string?> _out = new("--out") { Description = "Write the certificates to a file in place of standard output.", HelpName = "FILE" };
    private readonly Argument<string> _requests = new("REQUESTS.json") { Description = About };

    public CaSignCommand()
        : base("sign", "Certify the nodes that wait at a controller, each after a look at it. 'kedge node certify' hands the certificates to the controller.")
    {
        Option[] options = [_folder, _days, _yes, _expect, _relays, _out];
        foreach (Option option in options)
            Options.Add(option);
        Arguments.Add(_requests);
        _days.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 7300)
                result.AddError("--days must be a number from 1 to 7300.");
        });
        _expect.Validators.Add(result =>
        {
            foreach (string text in result.Tokens.Select(token => token.Value).Where(text => !TryReadExpectation(text, out _, out _)))
                result.AddError($"--expect must be NAME=HASH, the node's name and the hash that it shows, not '{text}'.");
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
        SigningTerms terms = Terms(call);
        string[] relays = call.GetRequiredValue(_relays);
        List<NodeCertificate> signed = folder.Unlock(master =>
        {
            List<NodeCertificate> certificates = [];
            foreach (SigningRequest request in requests)
            {
                // One after the other: what was signed for one counts when the next is judged.
                var judged = SigningCase.Judge(request, folder, terms, now);
                if (relays.Contains(request.Name))
                    judged = judged.WithTag(NodeSubject.RelayTag);
                screen.WriteLine(TextTable.FormatProperties(judged.Describe(notAfter)));
                if (judged.Refusal is null && IsAgreed(judged, call, screen))
                    certificates.Add(Sign(judged, folder, master, now, notAfter));
            }
            return certificates;
        });
        screen.WriteLine($"{signed.Count} of {requests.Count} certified.");
        foreach (string name in terms.Expected.Keys.Except(requests.Select(request => request.Name)))
            screen.WriteLine($"--expect names {name}, but no node of that name waits.");
        foreach (string name in relays.Except(requests.Select(request => request.Name)))
            screen.WriteLine($"--relay names {name}, but no node of that name waits.");
        if (signed.Count > 0)
            Write(call, folder, signed);
        return signed.Count == requests.Count ? 0 : 1;
    }

    private static bool TryReadExpectation(string text, out string name, out string hash)
    {
        int equals = text.IndexOf('=');
        (name, hash) = equals < 0 ? ("", "") : (text[..equals], text[(equals + 1)..]);
        return Inputs.IsLabel(name) && (Sha256Digest.TryParse(hash, out _) || PublicKey.TryParse(hash, out _));
    }

    private SigningTerms Terms(ParseResult call)
    {
        Dictionary<string, string> expected = [];
        foreach (string text in call.GetRequiredValue(_expect))
        {
            if (TryReadExpectation(text, out string name, out string hash) && !expected.TryAdd(name, hash))
                throw new UserError($"--expect names {name} twice. Name the one hash that the node shows.");
        }
        return new SigningTerms(expected, MayAsk: !Console.IsInputRedirected && call.GetRequiredValue(_requests) != "-");
    }

    private bool IsAgreed(SigningCase judged, ParseResult call, TextWriter screen) =>
        judged.Assurance != KeyAssurance.None || call.GetValue(_yes) || Ask(screen, $"Certify {judged.Request.Name}?");

    private static NodeCertificate Sign(SigningCase judged, AuthorityFolder folder, CertificateAuthority master, DateTimeOffset now, DateTimeOffset notAfter)
    {
        if (judged.Assurance == KeyAssurance.Invited)
            folder.Invitations.Use(folder.Invitations.Find(judged.Request.Name)!, judged.Request.InvitationProof!, now);
        NodeCertificate certificate = Certify(master, judged.Subject!, now, notAfter);
        folder.Keep(certificate);
        if (judged.Replaced.Count > 0)
            folder.Revoke(master, judged.Replaced.Select(former => former.Serial), now);
        return certificate;
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

    private void Write(ParseResult call, AuthorityFolder folder, List<NodeCertificate> signed)
    {
        var import = new CertificateImport(
            [.. signed.Select(certificate => Convert.ToBase64String(certificate.Der.Span))],
            folder.Revoked is { } list ? Convert.ToBase64String(list.Der.Span) : null);
        string json = JsonSerializer.Serialize(import, ApiJson.Default.CertificateImport) + "\n";
        if (call.GetValue(_out) is not { } path)
        {
            call.InvocationConfiguration.Output.Write(json);
            return;
        }
        FileText.Write(path, json);
        call.InvocationConfiguration.Error.WriteLine($"Where an administrator is logged in to the controller: kedge node certify {path}");
    }
}
