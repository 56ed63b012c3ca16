using System.CommandLine;
using Kedge.Linux.Files;
using Kedge.Node.KeyExchange;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Commands.Rosenpass;

/// <summary><c>kedge rosenpass gen-keys [CONFIG]</c>: makes a key pair.</summary>
internal sealed class GenKeysCommand : Command
{
    private const string Released = "0.2", Main = "main";

    private readonly Argument<string?> _config = new("CONFIG")
    {
        Description = "A configuration file that names the two files; else name them by -p and -s.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string> _publicKey = PathOption("--public-key", "-p", "Where the public key goes.");
    private readonly Option<string> _secretKey = PathOption("--secret-key", "-s", "Where the secret key goes.");
    private readonly Option<bool> _force = RosenpassCommand.Force();

    private readonly Option<string> _layout = new("--layout")
    {
        Description =
            "Whose layout the secret key has: that of releases 0.2.x, or that of the development version and go-rosenpass. Kedge reads both.",
        HelpName = $"{Released}|{Main}",
        DefaultValueFactory = _ => Released,
    };

    public GenKeysCommand()
        : base("gen-keys", "Make a key pair. Peers need the public key; only the owner can read the files.")
    {
        Arguments.Add(_config);
        Options.Add(_publicKey);
        Options.Add(_secretKey);
        Options.Add(_force);
        Options.Add(_layout);
        _layout.AcceptOnlyFromAmong(Released, Main);
        SetAction(Run);
    }

    private int Run(ParseResult call)
    {
        (string publicKey, string secretKey) = Paths(call);
        if (Path.GetFullPath(publicKey) == Path.GetFullPath(secretKey))
            throw new UserError($"Both keys would go to {publicKey}; name two files.");
        foreach (string path in new[] { publicKey, secretKey })
        {
            if (OutputFile.WouldReplace(path) && !call.GetValue(_force))
                throw new UserError($"{path} exists and is not replaced; name another file, or say --force.");
        }
        KeyExchangeFiles.WriteNewKeyPair(publicKey, secretKey, isShort: call.GetRequiredValue(_layout) == Released);
        return 0;
    }

    private (string PublicKey, string SecretKey) Paths(ParseResult call)
    {
        string? publicKey = call.GetValue(_publicKey), secretKey = call.GetValue(_secretKey);
        if (call.GetValue(_config) is { } file)
        {
            RosenpassConfiguration configuration = ConfigurationFile.Read(file);
            (publicKey, secretKey) = (configuration.PublicKey, configuration.SecretKey);
        }
        return publicKey is not null && secretKey is not null
            ? (publicKey, secretKey)
            : throw new UserError(
                "Where the keys go is unknown: name a configuration file with public_key and secret_key, or both -p FILE and -s FILE.");
    }

    private static Option<string> PathOption(string name, string alias, string description) =>
        new(name, alias) { Description = description, HelpName = "FILE" };
}
