using System.CommandLine;
using System.CommandLine.Parsing;

namespace Kedge.Commands.Ca;

/// <summary><c>kedge cert</c>: a node's keys and certificate in a network without a controller.</summary>
internal sealed class CertCommand : Command
{
    private readonly Option<string?> _name = new("--name", "-n")
    {
        Description = "Make keys and a request under this name in the present folder: the same as 'kedge cert request --name NAME'.",
        HelpName = "NAME",
    };

    public CertCommand()
        : base("cert", "Make a node's keys, ask for its certificate in a network without a controller, and show certificates.")
    {
        Subcommands.Add(new CertRequestCommand());
        Subcommands.Add(new CertShowCommand());
        Options.Add(_name);
        CertRequestCommand.CheckName(_name);
        Validators.Add(result =>
        {
            if (result.GetValue(_name) is null && !result.Children.OfType<CommandResult>().Any())
                result.AddError("Required command was not provided.");
        });
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        string name = call.GetValue(_name)!;
        call.InvocationConfiguration.Error.WriteLine($"Taken for: kedge cert request --name {name}");
        return new CertificateRequesting { Name = name }.Run(call);
    }
}

/// <summary><c>kedge cert show FILE…</c>: what certificates, revocation lists and requests say.</summary>
internal sealed class CertShowCommand : Command
{
    private readonly Argument<string[]> _files = new("FILE")
    {
        Description = "Certificates or revocation lists in PEM or DER, or a node's request; - for standard input.",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<bool> _json = CertificateText.JsonOption();

    public CertShowCommand()
        : base("show", "Show what certificates and requests say: whose they are, addresses, prefixes, tags, keys. A certificate's signature is not checked.")
    {
        Arguments.Add(_files);
        Options.Add(_json);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        CertificateText.Write(
            call.InvocationConfiguration.Output, [.. call.GetRequiredValue(_files).SelectMany(CertificateDescription.ReadFile)], call.GetValue(_json));
        return 0;
    }
}
