using System.CommandLine;
using Kedge.Commands;
using Kedge.Linux.Processes;
using Kedge.Startup;

const int Failed = 1;
const int CalledWrongly = 2;

CrashReport.WriteForUnhandledExceptions();
try
{
    ChildSignal.Restore();
    StandardStreams.Complete();
    StandardOutput.UseForConsole();
    // Called as kedge-wg, the program is WireGuard's usual daemon: 'kedge-wg wg0' runs wg0 in the background.
    bool calledAsDaemon = Path.GetFileName(CommandLine.Read()[0]) == WgCommand.DaemonName;
    if (calledAsDaemon || args is ["wg" or "rp" or "rosenpass", ..] or ["version", _, ..])
        PacketProgram.TakeOver();
    RootCommand root = CommandTree.Create(calledAsDaemon);
    ParseResult call = root.Parse(calledAsDaemon && args is not ["--version"] ? ["wg", .. args] : args);
    if (call.Errors.Count > 0)
    {
        Usage.Explain(call, Console.Error);
        return CalledWrongly;
    }
    return call.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (Exception e)
{
    Console.Error.WriteLine(Failure.Describe(e) is { } sentence ? $"kedge: {sentence}" : CrashReport.Of(e));
    return Failed;
}
