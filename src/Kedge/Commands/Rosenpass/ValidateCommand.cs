using System.CommandLine;
using Kedge.Node.KeyExchange;
using Kedge.Protocol;

namespace Kedge.Commands.Rosenpass;

/// <summary><c>kedge rosenpass validate FILE…</c>: whether configurations would do, with all files that they name.</summary>
internal sealed class ValidateCommand : Command
{
    private readonly Argument<string[]> _files = new("FILE") { Description = "Configuration files.", Arity = ArgumentArity.OneOrMore };

    public ValidateCommand()
        : base("validate", "Check configuration files and the keys that they name.")
    {
        Arguments.Add(_files);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        int wrong = 0;
        foreach (string file in call.GetRequiredValue(_files))
        {
            try
            {
                KeyExchangeSettings settings = KeyExchangeFiles.Load(ConfigurationFile.Read(file));
                settings.Keys.Dispose();
                foreach (KeyExchangePeer peer in settings.Peers.Where(peer => !peer.HasDestination))
                    Console.Error.WriteLine($"{file}: nobody gets the key of peer {peer.Id}; give it key_out, or device and peer.");
                Console.Error.WriteLine($"{file} is valid; peers: {settings.Peers.Count}");
            }
            catch (UserError e)
            {
                Console.Error.WriteLine(e.Message.StartsWith(file, StringComparison.Ordinal) ? e.Message : $"{file}: {e.Message}");
                wrong++;
            }
        }
        return wrong == 0 ? 0 : 1;
    }
}
