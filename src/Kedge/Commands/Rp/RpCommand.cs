using System.CommandLine;

namespace Kedge.Commands.Rp;

/// <summary><c>kedge rp</c>: WireGuard and Rosenpass together; a drop-in for <c>rp</c>.</summary>
internal sealed class RpCommand : Command
{
    public RpCommand()
        : base(
            "rp",
            "Run a tunnel by WireGuard and Rosenpass together; a drop-in for rp. A peer without protocol_version is taken to be one of the "
            + "releases, 0.2.x; the development version, which takes it for V02, needs \"V02\" or \"V03\" here.")
    {
        Add(this, isVerbose: false);
        // As in the original, 'rp verbose exchange …'.
        var verbose = new Command("verbose", "Tell more on standard error.") { Hidden = true };
        Add(verbose, isVerbose: true);
        Subcommands.Add(verbose);
    }

    private static void Add(Command to, bool isVerbose)
    {
        to.Subcommands.Add(new RpGenkeyCommand());
        to.Subcommands.Add(new RpPubkeyCommand());
        to.Subcommands.Add(new RpShareCommand());
        to.Subcommands.Add(new RpExchangeCommand(isVerbose));
        to.Subcommands.Add(new RpExchangeConfigCommand(isVerbose));
    }
}

/// <summary><c>kedge rp genkey FOLDER</c>: makes all secret keys.</summary>
internal sealed class RpGenkeyCommand : Command
{
    private readonly Argument<string> _folder = new("FOLDER") { Description = "The folder to make, which stays on this machine." };

    public RpGenkeyCommand()
        : base("genkey", "Make a folder with secret keys for WireGuard and Rosenpass.")
    {
        Arguments.Add(_folder);
        SetAction(call => new RpFolder(call.GetRequiredValue(_folder)).Generate());
    }
}

/// <summary><c>kedge rp pubkey FOLDER PUBLIC</c>: takes out the public keys.</summary>
internal sealed class RpPubkeyCommand : Command
{
    private readonly Argument<string> _folder = new("FOLDER") { Description = "The folder that 'kedge rp genkey' made." };
    private readonly Argument<string> _public = new("PUBLIC") { Description = "The folder to make, which is for peers." };

    public RpPubkeyCommand()
        : base("pubkey", "Make a folder with the public keys that peers need.")
    {
        Arguments.Add(_folder);
        Arguments.Add(_public);
        SetAction(call => new RpFolder(call.GetRequiredValue(_folder)).Publish(new RpFolder(call.GetRequiredValue(_public))));
    }
}
