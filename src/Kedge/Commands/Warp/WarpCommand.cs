using System.CommandLine;

namespace Kedge.Commands.Warp;

/// <summary><c>kedge warp</c>: TCP ports of a machine that accepts nothing from outside, published by one that does.</summary>
internal sealed class WarpCommand : Command
{
    public WarpCommand()
        : base("warp", "Publish TCP ports of a machine behind a firewall, over QUIC with certificates on both sides.")
    {
        Subcommands.Add(new WarpListenCommand());
        Subcommands.Add(new WarpConnectCommand());
        Subcommands.Add(new WarpOpenCommand());
        Subcommands.Add(new WarpCloseCommand());
        Subcommands.Add(new WarpListCommand());
        Subcommands.Add(new WarpStatusCommand());
    }
}
