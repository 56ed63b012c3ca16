using System.CommandLine;
using System.Text.Json;
using Kedge.Commands.Admin;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Commands.Ca;

/// <summary><c>kedge ca sign --ca DIRECTORY REQUEST</c>: certifies nodes, each after a look at it.</summary>
internal sealed class CaSignCommand : Command
{
    private const string About =
        """
        What 'kedge cert request' wrote on a node, or 'kedge node requests' for a controller; - for standard input.

        Who wrote or carried it may be a stranger. Checked here: that a request is for this network, and everything asked for in its
        prefixes; that whoever has the identity key has signed for the WireGuard and Rosenpass keys beside it; that no address is certified
        for two nodes at once; and for a node that was invited ('kedge ca invite'), that name and keys are its own. Such a node is certified
        without a question. For any other, whose identity key it is cannot be checked here: compare it with what 'kedge cert show' (of its
        request), or with a controller 'kedge status', shows on the node itself, and say yes, or name it with --expect. Name, zone, tags,
        addresses and networks behind the node are shown: who wrote the request chose them.

        For a node's own request, the output is in PEM: its certificate, the master's, and what was revoked. For a controller's it is JSON.

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
        Description = "The identity key that the node of this name itself shows; of a stock peer, its WireGuard key. A request with "
            + "another key is refused. Needed where there is no terminal, for nodes that were not invited. Repeatable.",
        HelpName = "NAME=HASH",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string[]> _relays = Grant(
        "--relay", $"Let a node pass on packets between others ('kedge up --relay'): its certificate gets the tag '{NodeSubject.RelayTag}', asked for or not.");

    private readonly Option<string[]> _anchors = Grant(
        "--anchor",
        "Have a node keep for others, in a network without a controller, where nodes are: its certificate gets the tag "
        + $"'{NodeSubject.AnchorTag}'. For nodes that are always there.");

    private readonly Option<string[]> _addresses = Inputs.List(
        "--ip", "ADDRESS", "Give a node that asks by itself these addresses, one a family, and not those that it asks for.",
        text => IpAddress.TryParse(text, out _), "an address such as 10.20.0.1 or fd00:20::1");

    private readonly Option<string?> _out = new("--out") { Description = "Write the certificates to a file in place of standard output.", HelpName = "FILE" };
    private readonly Argument<string> _requests = new("REQUEST") { Description = About };

    public CaSignCommand()
        : base("sign", "Certify a node that asks by itself, or those that wait at a controller, each after a look at it.")
    {
        Option[] options = [_folder, _days, _yes, _expect, _relays, _anchors, _addresses, _out];
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
        using IDisposable? claim = AuthorityFolder.Claim(call.GetRequiredValue(_folder));
        var folder = AuthorityFolder.Open(call.GetRequiredValue(_folder));
        DateTimeOffset now = DateTimeOffset.UtcNow;
        DateTimeOffset notAfter = Earlier(now.AddDays(call.GetValue(_days)), folder.Master.NotAfter);
        (NodeRequest? ofNode, IReadOnlyList<SigningRequest> requests) = Read(call, folder);
        SigningTerms terms = Terms(call);
        List<NodeCertificate> signed = folder.Unlock(master =>
        {
            List<NodeCertificate> certificates = [];
            foreach (SigningRequest request in requests)
            {
                // One after the other: what was signed for one counts when the next is judged.
                string[] granted = [.. Granted(call, request.Name, requests.Count)];
                SigningCase judged = ofNode is null
                    ? SigningCase.Judge(request, folder, terms, now, granted)
                    : SigningCase.Judge(ofNode, folder, terms, now, granted);
                screen.WriteLine(TextTable.FormatProperties(judged.Describe(notAfter)));
                if (judged.Refusal is null && IsAgreed(judged, call, screen))
                    certificates.AddRange(Sign(judged, folder, master, now, notAfter, screen));
            }
            return certificates;
        });
        screen.WriteLine($"{signed.Count} of {requests.Count} certified.");
        (string Option, IEnumerable<string> Names)[] named =
            [("--expect", terms.Expected.Keys), ("--relay", call.GetRequiredValue(_relays)), ("--anchor", call.GetRequiredValue(_anchors))];
        foreach ((string option, IEnumerable<string> names) in named)
        {
            foreach (string name in names.Except(requests.Select(request => request.Name)))
                screen.WriteLine($"{option} names {name}, but no node of that name asks.");
        }
        if (signed.Count > 0 && ofNode is not null)
            WritePem(call, folder, signed[0]);
        else if (signed.Count > 0)
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

    private static Option<string[]> Grant(string name, string description)
    {
        var option = new Option<string[]>(name)
        {
            Description = $"{description} The name may be left out where one node asks. Repeatable.",
            HelpName = "NAME",
            Arity = ArgumentArity.ZeroOrMore,
            AllowMultipleArgumentsPerToken = false,
            DefaultValueFactory = _ => [],
        };
        option.Validators.Add(result =>
        {
            foreach (string text in result.Tokens.Select(token => token.Value).Where(text => !Inputs.IsLabel(text)))
                result.AddError($"{name} is '{text}', but must be the name of a node: 1 to 63 of a-z, 0-9 and inner hyphens.");
        });
        return option;
    }

    private IEnumerable<string> Granted(ParseResult call, string name, int count)
    {
        foreach ((Option<string[]> option, string tag) in ((Option<string[]>, string)[])[(_relays, NodeSubject.RelayTag), (_anchors, NodeSubject.AnchorTag)])
        {
            string[] names = call.GetRequiredValue(option);
            bool isMeant = names.Length == 0 && call.GetResult(option) is { Implicit: false };
            if (isMeant && count != 1)
                throw new UserError($"{option.Name} names no node, and {count} ask. Name those that are meant: {option.Name} NAME");
            if (isMeant || names.Contains(name))
                yield return tag;
        }
    }

    /// <summary>Signs for a node, and keeps the certificate.</summary>
    /// <returns>The certificate; nothing where it would be one that nobody accepts, which does not keep the others waiting.</returns>
    private static NodeCertificate[] Sign(
        SigningCase judged, AuthorityFolder folder, CertificateAuthority master, DateTimeOffset now, DateTimeOffset notAfter, TextWriter screen)
    {
        NodeCertificate certificate;
        try
        {
            certificate = master.CertifyNode(judged.Subject!, AuthorityFolder.NewSerial(), now.AddHours(-1), notAfter);
        }
        catch (ArgumentException e)
        {
            screen.WriteLine($"The request for {judged.Subject!.Name} cannot be signed: {e.Message}");
            return [];
        }
        if (judged.Assurance == KeyAssurance.Invited)
            folder.Invitations.Use(folder.Invitations.Find(judged.Request.Name)!, judged.Request.InvitationProof!, now);
        folder.Keep(certificate);
        if (judged.Replaced.Count > 0)
            folder.Revoke(master, judged.Replaced.Select(former => former.Serial), now);
        return [certificate];
    }

    private static DateTimeOffset Earlier(DateTimeOffset one, DateTimeOffset other) => one < other ? one : other;

    private static bool Ask(TextWriter screen, string question)
    {
        screen.Write($"{question} [y/N] ");
        return Console.In.ReadLine()?.Trim() is "y" or "Y" or "yes";
    }

    /// <summary>Reads the file: the request of one node, which is then also given as a controller would put it, or a controller's.</summary>
    private (NodeRequest? OfNode, IReadOnlyList<SigningRequest> Requests) Read(ParseResult call, AuthorityFolder folder)
    {
        string path = call.GetRequiredValue(_requests), text = FileText.Read(path);
        IReadOnlyList<string> addresses = Inputs.Items(call, _addresses);
        if (NodeRequest.IsMeant(text))
        {
            var request = NodeRequest.Parse(path, text);
            if (addresses.Count > 0)
                request = request with { Addresses = addresses };
            return (request, [request.ToSigningRequest(folder.Master.NetworkId)]);
        }
        return addresses.Count == 0
            ? (null, ReadOfController(path, text))
            : throw new UserError($"--ip is for a node's own request, and {path} is a controller's, which gives out the addresses of its zones itself.");
    }

    private static IReadOnlyList<SigningRequest> ReadOfController(string path, string text)
    {
        const string Expected = "it must be the JSON that 'kedge cert request' or 'kedge node requests' wrote";
        try
        {
            if (JsonSerializer.Deserialize(text, ApiJson.Default.IReadOnlyListSigningRequest) is { } requests && !requests.Contains(null!))
                return requests;
        }
        catch (JsonException e)
        {
            throw new UserError($"{path} has no requests: {Expected}. Line {(e.LineNumber ?? 0) + 1} cannot be read ({PrintableText.Clean(e.Path ?? "$")}).", e);
        }
        throw new UserError($"{path} has no requests: {Expected}.");
    }

    /// <summary>Writes all that the node needs beside its keys: its certificate, that of the master, and what was revoked.</summary>
    private void WritePem(ParseResult call, AuthorityFolder folder, NodeCertificate certificate)
    {
        string pem = Pem.Write(Pem.Certificate, [certificate.Der, folder.Master.Der])
            + Pem.Write(Pem.RevocationList, folder.Revoked is { } list ? [list.Der] : []);
        Deliver(call, pem, path => $"{path} is for {certificate.Name}; nothing in it is secret. 'kedge cert show {path}' shows what it says.");
    }

    private void Write(ParseResult call, AuthorityFolder folder, List<NodeCertificate> signed)
    {
        var import = new CertificateImport(
            [.. signed.Select(certificate => Convert.ToBase64String(certificate.Der.Span))],
            folder.Revoked is { } list ? Convert.ToBase64String(list.Der.Span) : null);
        string json = JsonSerializer.Serialize(import, ApiJson.Default.CertificateImport) + "\n";
        Deliver(call, json, path => $"Where an administrator is logged in to the controller: kedge node certify {path}");
    }

    private void Deliver(ParseResult call, string text, Func<string, string> whatNext)
    {
        if (call.GetValue(_out) is not { } path)
        {
            call.InvocationConfiguration.Output.Write(text);
            return;
        }
        FileText.Write(path, text);
        call.InvocationConfiguration.Error.WriteLine(whatNext(path));
    }
}
