using System.CommandLine;
using Kedge.Commands.Admin;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Ca;

/// <summary><c>kedge ca</c>: the master key of a locked network, on a machine that need not be on any network.</summary>
internal sealed class CaCommand : Command
{
    public CaCommand()
        : base("ca", "Keep the master key of a network, locked or without a controller, and certify its nodes. Needs no controller and no network.")
    {
        Subcommands.Add(new CaInitCommand());
        Subcommands.Add(new CaInviteCommand());
        Subcommands.Add(new CaSignCommand());
        Subcommands.Add(new CaShowCommand());
        Subcommands.Add(new CaRevokeCommand());
    }

    /// <summary>The folder of the master.</summary>
    public static Option<string> Folder() => new("--ca")
    {
        Description = "The folder with the master key, as 'kedge ca init' made it.",
        HelpName = "DIRECTORY",
        Required = true,
    };
}

/// <summary><c>kedge ca init DIRECTORY</c>: a new master key, and with it a new network.</summary>
internal sealed class CaInitCommand : Command
{
    private readonly Argument<string> _folder = new("DIRECTORY") { Description = "Where key and certificate go. Made if need be; nothing in it is replaced." };

    private readonly Option<string> _name = new("--name")
    {
        Description = "The master's name, for people: it says nothing about who may do what.",
        HelpName = "NAME",
        DefaultValueFactory = _ => "Kedge master",
    };

    private readonly Option<string[]> _prefixes = Inputs.List(
        "--prefix",
        "PREFIX",
        "The network's own prefixes: nobody can ever be certified for an address outside of them, so name those of networks behind nodes too. "
        + "Left out, the network is bound to none.",
        text => text.Contains('/') && IpPrefix.TryParse(text, out IpPrefix prefix) && ReservedPrefixes.IsUsableOverlay(prefix),
        "a prefix such as 10.20.0.0/16 or fd00:20::/48, no default route and no reserved block");

    public CaInitCommand()
        : base("init", "Make a new master key and its certificate. Keep a copy of the folder where no machine can reach it: without the key nobody can join.")
    {
        Arguments.Add(_folder);
        Options.Add(_name);
        Options.Add(_prefixes);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        var folder = AuthorityFolder.Create(call.GetRequiredValue(_folder), call.GetRequiredValue(_name), DateTimeOffset.UtcNow, Addresses(call));
        TextWriter output = call.InvocationConfiguration.Output;
        output.WriteLine($"network  {folder.Master.NetworkId}");
        if (!folder.Master.AddressBlocks.Equals(AddressBlocks.All))
            output.WriteLine($"prefixes {folder.Master.AddressBlocks}");
        output.WriteLine($"key      {Path.Combine(folder.Path, "master.key")}");
        output.WriteLine($"master   {folder.CertificateFile}");
        TextWriter screen = call.InvocationConfiguration.Error;
        screen.WriteLine($"The key stays here. A controller needs the certificate alone: kedge controller --locked {Path.GetFileName(folder.CertificateFile)}");
        screen.WriteLine($"Without a controller, each node gets the certificate and asks: kedge cert request --name NAME --ca {Path.GetFileName(folder.CertificateFile)}");
        return 0;
    }

    private AddressBlocks? Addresses(ParseResult call)
    {
        IpPrefix[] prefixes = [.. Inputs.Items(call, _prefixes).Select(text => IpPrefix.Parse(text))];
        try
        {
            return prefixes.Length > 0 ? AddressBlocks.Of(prefixes) : null;
        }
        catch (ArgumentException e)
        {
            throw new UserError($"--prefix names more than a certificate can have: {AddressBlocks.MaximumCount} prefixes.", e);
        }
    }
}

/// <summary><c>kedge ca revoke --ca DIRECTORY CERTIFICATE…</c>: adds certificates to the master's revocation list.</summary>
internal sealed class CaRevokeCommand : Command
{
    private readonly Option<string> _folder = CaCommand.Folder();

    private readonly Argument<string[]> _certificates = new("CERTIFICATE")
    {
        Description = "Files with certificates of the master: of nodes, as 'kedge ca sign' wrote them or from DIRECTORY/issued, or of issuers.",
        Arity = ArgumentArity.OneOrMore,
    };

    public CaRevokeCommand()
        : base("revoke", "Revoke certificates for good: a new revocation list is written to DIRECTORY/revoked.pem. 'kedge node revoke' hands it to a controller.")
    {
        Options.Add(_folder);
        Arguments.Add(_certificates);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        using IDisposable? claim = AuthorityFolder.Claim(call.GetRequiredValue(_folder));
        var folder = AuthorityFolder.Open(call.GetRequiredValue(_folder));
        HashSet<SerialNumber> named = [.. folder.Revoked?.Entries.Select(entry => entry.Serial) ?? []];
        List<SerialNumber> serials = [];
        List<string> done = [];
        foreach (string file in call.GetRequiredValue(_certificates))
        {
            foreach (PemItem item in Revocation.Select(PemFile.Read(file)))
            {
                (SerialNumber serial, string name) = Revocation.Check(folder, file, item);
                bool isNews = named.Add(serial);
                if (isNews)
                    serials.Add(serial);
                done.Add($"{name} ({serial}): {(isNews ? "revoked" : "was revoked before")}");
            }
        }
        if (serials.Count > 0)
        {
            _ = folder.Unlock(master =>
            {
                folder.Revoke(master, serials, DateTimeOffset.UtcNow);
                return serials.Count;
            });
        }
        foreach (string line in done)
            call.InvocationConfiguration.Error.WriteLine(line);
        call.InvocationConfiguration.Output.WriteLine($"{folder.ListFile}: number {folder.Revoked!.Number}, {folder.Revoked.Entries.Count} revoked");
        return 0;
    }
}
