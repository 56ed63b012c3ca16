using System.CommandLine;
using Kedge.Commands.Admin;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Ca;

/// <summary><c>kedge cert request --name NAME</c>: makes a node's keys, and the request that the holder of the master key signs.</summary>
internal sealed class CertRequestCommand : Command
{
    private readonly Argument<string?> _out = new("OUT")
    {
        Description = "The new file for the request; - for standard output. NAME.request where it is left out.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string> _name = new("--name", "-n") { Description = "The node's name in the network.", HelpName = "NAME", Required = true };

    private readonly Option<string[]> _addresses = Inputs.List(
        "--ip", "ADDRESS", "The addresses to have, one a family. Left out, whoever signs chooses.",
        text => IpAddress.TryParse(text, out IpAddress address) && ReservedPrefixes.IsUsableOverlay(new(address, address.Size * 8)),
        "an address that a node can have, such as 10.20.0.1 or fd00:20::1");

    private readonly Option<string[]> _childPrefixes = Inputs.List(
        "--child-prefix", "PREFIX", "Networks behind this node that the others are to reach.",
        text => text.Contains('/') && IpPrefix.TryParse(text, out IpPrefix prefix) && ReservedPrefixes.IsUsableOverlay(prefix),
        "a prefix such as 10.7.0.0/24 or fd07::/64, no default route and no reserved block");

    private readonly Option<string?> _keys = Inputs.Text(
        "--key", "DIRECTORY", "The folder of the node's keys. Those that are in it are used, the others are made. NAME.keys where it is left out.");

    private readonly Option<string?> _authority = Inputs.Text(
        "--ca", "FILE", "The certificate of the network's master, master.pem. The request is then for this network alone, and what it would refuse is refused at once.");

    public CertRequestCommand()
        : base("request", "Make a node's keys, which stay here, and a request that 'kedge ca sign' reads where the master key is. Needs no network.")
    {
        Arguments.Add(_out);
        Option[] options = [_name, _addresses, _childPrefixes, _keys, _authority];
        foreach (Option option in options)
            Options.Add(option);
        CheckName(_name);
        _addresses.Validators.Add(result =>
        {
            string[] all = [.. result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.TrimEntries))];
            if (all.GroupBy(text => text.Contains(':')).Any(family => family.Count() > 1))
                result.AddError($"--ip is '{string.Join(',', all)}', but a node has one IPv4 address, one IPv6 address, or one of each.");
        });
        SetAction(call => new CertificateRequesting
        {
            Name = call.GetRequiredValue(_name),
            Out = call.GetValue(_out),
            Addresses = Inputs.Items(call, _addresses),
            ChildPrefixes = Inputs.Items(call, _childPrefixes),
            Keys = call.GetValue(_keys),
            Authority = call.GetValue(_authority),
        }.Run(call));
    }

    /// <summary>Has an option take nothing but the name of a node.</summary>
    public static void CheckName(Option option) => option.Validators.Add(result =>
    {
        foreach (string text in result.Tokens.Select(token => token.Value).Where(text => !Inputs.IsLabel(text)))
            result.AddError($"'{text}' cannot be a node's name: a name has 1 to 63 of a-z, 0-9 and '-', and neither begins nor ends with '-'.");
    });
}
