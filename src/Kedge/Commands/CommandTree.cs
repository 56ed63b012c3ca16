using System.CommandLine;
using Kedge.Commands.Admin;
using Kedge.Commands.Ca;
using Kedge.Commands.Controller;
using Kedge.Commands.Man;
using Kedge.Commands.Node;
using Kedge.Commands.Rosenpass;
using Kedge.Commands.Rp;
using Kedge.Commands.Service;
using Kedge.Commands.Warp;
using Kedge.Startup;

namespace Kedge.Commands;

/// <summary>All commands.</summary>
internal static class CommandTree
{
    /// <summary>Makes the tree anew. Defaults that come from the environment are read now.</summary>
    /// <param name="calledAsDaemon">Whether the program was called as <see cref="WgCommand.DaemonName"/>.</param>
    public static RootCommand Create(bool calledAsDaemon = false)
    {
        var root = new RootCommand("Kedge connects machines privately: a WireGuard-compatible mesh in user space.");
        // The compiler drops what only the whole program has from the others, since it knows the answer.
        if (!PacketProgram.IsThis)
        {
            foreach (Command command in WithoutPackets())
                root.Add(command);
        }
        root.Add(new WgCommand(inBackground: calledAsDaemon));
        root.Add(new RosenpassCommand());
        root.Add(new RpCommand());
        root.Add(new VersionCommand());
        return root;
    }

    private static Command[] WithoutPackets() =>
    [
        new ControllerCommand(),
        new UpCommand(),
        new SetCommand(),
        new DownCommand(),
        new LogsCommand(),
        new ServiceCommand(),
        new PingCommand(),
        new KnockCommand(),
        KnockCommand.CreateAlias(),
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
        new CertCommand(),
        new WarpCommand(),
        new DemoCommand(),
        new CompletionCommand(),
        new ManCommand(),
    ];
}
