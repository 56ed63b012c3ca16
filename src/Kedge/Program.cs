using System.CommandLine;
using Kedge.Commands;
using Kedge.Commands.Admin;
using Kedge.Commands.Ca;
using Kedge.Commands.Controller;
using Kedge.Commands.Node;
using Kedge.Commands.Rosenpass;
using Kedge.Commands.Rp;
using Kedge.Linux.Processes;
using Kedge.Protocol;

const int Failed = 1;
const int CalledWrongly = 2;

try
{
    // Called as kedge-wg, the program is WireGuard's usual daemon: 'kedge-wg wg0' runs wg0 in the background.
    bool calledAsDaemon = Path.GetFileName(CommandLine.Read()[0]) == WgCommand.DaemonName;
    var root = new RootCommand("Kedge connects machines privately: a WireGuard-compatible mesh in user space.")
    {
        new WgCommand(inBackground: calledAsDaemon),
        new ControllerCommand(),
        new UpCommand(),
        new DownCommand(),
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
    };
    ParseResult call = root.Parse(calledAsDaemon && args is not ["--version"] ? ["wg", .. args] : args);
    if (call.Errors.Count > 0)
    {
        Usage.Explain(call, Console.Error);
        return CalledWrongly;
    }
    return call.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (UserError e)
{
    Console.Error.WriteLine($"kedge: {e.Message}");
    return Failed;
}
catch (Exception e)
{
    Console.Error.WriteLine($"kedge: this is a defect of Kedge, please report it.\n{e}");
    return Failed;
}
