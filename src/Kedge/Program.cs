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
using Kedge.Startup;

const int Failed = 1;
const int CalledWrongly = 2;

CrashReport.WriteForUnhandledExceptions();
try
{
    // Called as kedge-wg, the program is WireGuard's usual daemon: 'kedge-wg wg0' runs wg0 in the background.
    bool calledAsDaemon = Path.GetFileName(CommandLine.Read()[0]) == WgCommand.DaemonName;
    if (calledAsDaemon || args is ["wg" or "rp" or "rosenpass", ..] or ["version", _, ..])
        PacketProgram.TakeOver();
    var root = new RootCommand("Kedge connects machines privately: a WireGuard-compatible mesh in user space.");
    if (!PacketProgram.IsThis)
    {
        foreach (Command command in Others())
            root.Add(command);
    }
    root.Add(new WgCommand(inBackground: calledAsDaemon));
    root.Add(new RosenpassCommand());
    root.Add(new RpCommand());
    root.Add(new VersionCommand());
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
    Console.Error.WriteLine(CrashReport.Of(e));
    return Failed;
}

// The commands of the whole program alone.
static Command[] Others() =>
[
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
    new DemoCommand(),
    new CompletionCommand(),
];
