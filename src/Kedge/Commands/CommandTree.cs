using System.CommandLine;
using Kedge.Commands.Admin;
using Kedge.Commands.Ca;
using Kedge.Commands.Controller;
using Kedge.Commands.Man;
using Kedge.Commands.Node;
using Kedge.Commands.Rosenpass;
using Kedge.Commands.Rp;
using Kedge.Commands.Service;

namespace Kedge.Commands;

/// <summary>All commands.</summary>
internal static class CommandTree
{
    /// <summary>Makes the tree anew. Defaults that come from the environment are read now.</summary>
    /// <param name="calledAsDaemon">Whether the program was called as <see cref="WgCommand.DaemonName"/>.</param>
    public static RootCommand Create(bool calledAsDaemon = false) =>
        new("Kedge connects machines privately: a WireGuard-compatible mesh in user space.")
        {
            new WgCommand(inBackground: calledAsDaemon),
            new ControllerCommand(),
            new UpCommand(),
            new DownCommand(),
            new LogsCommand(),
            new ServiceCommand(),
            new PingCommand(),
            new NetcheckCommand(),
            new BugreportCommand(),
            new LinkCommand(),
            new StatusCommand(),
            new LoginCommand(),
            new LogoutCommand(),
            new ZoneCommand(),
            new NodeCommand(),
            new TokenCommand(),
            new LeaseCommand(),
            new AuditCommand(),
            new CaCommand(),
            new RosenpassCommand(),
            new RpCommand(),
            new DemoCommand(),
            new VersionCommand(),
            new CompletionCommand(),
            new ManCommand(),
        };
}
