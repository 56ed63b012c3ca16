using System.CommandLine;
using Kedge.Commands.Admin;
using Kedge.Control.Pki;
using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.Node.Keys;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Ca;

/// <summary>One run of <c>kedge cert request</c>: the node's keys are made where they do not exist, and sign the request.</summary>
internal sealed record CertificateRequesting
{
    private const UnixFileMode Others = ~(UnixFileMode.UserRead | UnixFileMode.UserWrite);

    /// <summary>The node's name: a DNS label.</summary>
    public required string Name { get; init; }

    /// <summary>The file for the request, <c>-</c> for standard output; null for one that has the node's name.</summary>
    public string? Out { get; init; }

    /// <summary>The addresses to ask for.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>The networks behind the node.</summary>
    public IReadOnlyList<string> ChildPrefixes { get; init; } = [];

    /// <summary>The folder with the keys; null for one that has the node's name.</summary>
    public string? Keys { get; init; }

    /// <summary>The file with the master's certificate; null where the network is not named.</summary>
    public string? Authority { get; init; }

    /// <summary>Makes keys and request.</summary>
    /// <exception cref="UserError">It cannot be; the message says why and what to do.</exception>
    public int Run(ParseResult call)
    {
        string target = Out ?? $"{Name}.request";
        var folder = new KeyFolder(Keys ?? $"{Name}.keys");
        if (target != "-" && Path.GetFullPath(target) == Path.GetFullPath(folder.Path))
            throw new UserError($"{target} cannot be both the request and the folder of the keys. Choose another file, or another folder with --key.");
        if (target != "-")
            FileText.RequireNew(target);
        AuthorityCertificate? master = Authority is null ? null : ReadMaster(Authority, DateTimeOffset.UtcNow);
        if (master is not null)
            RequireWithin(master);

        NodeRequest request = Create(folder, master?.NetworkId, call.InvocationConfiguration.Error);
        TextWriter screen = target == "-" ? call.InvocationConfiguration.Error : call.InvocationConfiguration.Output;
        if (target == "-")
            call.InvocationConfiguration.Output.Write(request.ToJson());
        else
            FileText.Write(target, request.ToJson());
        string file = target == "-" ? "FILE" : target;
        screen.Write(TextTable.FormatProperties(
        [
            ("node", Name),
            ("network", request.NetworkId ?? "not named: whoever signs decides"),
            ("identity key", CertificateDescription.Of(request).KeyHash!),
            ("keys", $"{folder.Path} (secret, they stay here)"),
            ("request", file),
        ]));
        call.InvocationConfiguration.Error.WriteLine($"Where the master key is: kedge ca sign {file} --ca DIRECTORY --out {Name}.pem");
        call.InvocationConfiguration.Error.WriteLine("It shows an identity key, which must be the one above.");
        return 0;
    }

    private static AuthorityCertificate ReadMaster(string path, DateTimeOffset now)
    {
        if (Directory.Exists(path))
            throw new UserError($"{path} is a folder. --ca is the file with the master's certificate, master.pem: the folder with the master key stays where it is.");
        IReadOnlyList<PemItem> items = PemFile.Read(path);
        AuthorityCertificate? master = items.Where(item => item.Label == Pem.Certificate)
            .Select(item => AuthorityCertificate.TryParse(item.Der, out AuthorityCertificate? one, out _) ? one : null)
            .FirstOrDefault(one => one is { IsMaster: true });
        if (master is null)
            throw new UserError($"{path} has no certificate of a network's master. --ca is the file master.pem that 'kedge ca init' made.");
        var trust = NetworkTrust.Create(master.NetworkId, [master.Der.ToArray()], []);
        if (trust.Refused is [var refused, ..])
            throw new UserError($"The master's certificate in {path} cannot be used. {refused.Refusal.Sentence()}");
        return now <= master.NotAfter
            ? master
            : throw new UserError($"The master's certificate in {path} was valid until {master.NotAfter:u}. Get a newer one, or set the clock if it is wrong.");
    }

    private void RequireWithin(AuthorityCertificate master)
    {
        foreach (string text in Addresses.Concat(ChildPrefixes))
        {
            if (!master.AddressBlocks.Contains(AddressBlocks.Of([IpPrefix.Parse(text)])))
                throw new UserError($"{text} is not in the network of {Authority}, whose prefixes are {master.AddressBlocks}. Ask for something there.");
        }
    }

    private NodeRequest Create(KeyFolder folder, Sha256Digest? network, TextWriter screen)
    {
        SecretFile.CreateFolder(folder.Path);
        try
        {
            using ProcessLock claim = ProcessLock.TryTake(folder.Lock)
                ?? throw new UserError($"Another 'kedge cert request' is making keys in {folder.Path}. Try again when it is done.");
            RefuseDoubtful(folder);
            if (!File.Exists(folder.RosenpassPublicKey))
                screen.WriteLine($"Making the keys of {Name}, which takes a moment.");
            using NodeKeys keys = NodeKeys.Open(folder, wireGuardKeyFile: null);
            var request = NodeRequest.Create(Name, network, keys.Identity, keys.WireGuardPublicKey, RosenpassKeys.Open(folder));
            return request with { Addresses = Addresses, ChildPrefixes = ChildPrefixes };
        }
        catch (LinuxException e)
        {
            throw new UserError($"The keys in {folder.Path} cannot be made: {e.Message}.", e);
        }
    }

    // Keys that somebody has put here are used, and never replaced.
    private static void RefuseDoubtful(KeyFolder folder)
    {
        foreach (string file in (string[])[folder.IdentityKey, folder.WireGuardKey, folder.RosenpassKey])
        {
            if (File.Exists(file) && (File.GetUnixFileMode(file) & Others) != 0)
                throw new UserError($"Others than its owner can read {file}, which is a private key: chmod 600 {file}");
        }
        if (File.Exists(folder.RosenpassKey) && !File.Exists(folder.RosenpassPublicKey))
        {
            throw new UserError(
                $"{folder.RosenpassKey} is there without its public key, {folder.RosenpassPublicKey}. Restore that; or remove the secret key, and a new pair is made.");
        }
    }
}
