using System.CommandLine;

namespace Kedge.Commands.Rosenpass;

/// <summary>
/// <c>kedge rosenpass</c>: a post-quantum key exchange whose keys become WireGuard's PSKs; a drop-in for <c>rosenpass</c>.
/// </summary>
internal sealed class RosenpassCommand : Command
{
    public RosenpassCommand()
        : base(
            "rosenpass",
            "Exchange keys with Rosenpass, safe from quantum computers, and make them WireGuard's preshared keys; a drop-in for rosenpass. "
            + "A peer without protocol_version is taken to be one of the releases, 0.2.x; the development version, which takes it for V02, "
            + "needs protocol_version = \"V02\" or \"V03\" here.")
    {
        Subcommands.Add(new GenKeysCommand());
        Subcommands.Add(new ExchangeCommand());
        Subcommands.Add(new ExchangeConfigCommand());
        Subcommands.Add(new GenConfigCommand());
        Subcommands.Add(new ValidateCommand());
    }

    /// <summary>Whether files that are there may be replaced.</summary>
    public static Option<bool> Force() => new("--force", "-f") { Description = "Replace files that are there." };
}
