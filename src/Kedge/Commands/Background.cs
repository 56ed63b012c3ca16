using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;

namespace Kedge.Commands;

/// <summary>How a command goes to the background: .NET cannot fork, so it is started again, in a session of its own.</summary>
internal static class Background
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Starts this program again with the same command line, and waits until it says that it is ready. What goes wrong until then it tells
    /// on our own standard error.
    /// </summary>
    /// <returns>Whether it is ready; if not, it has ended.</returns>
    public static bool Start()
    {
        using BackgroundProcess process = BackgroundProcess.Start(Environment.ProcessPath!, CommandLine.Read());
        using (Stream error = Console.OpenStandardError())
            if (process.WaitReady(StartTimeout, error.Write))
                return true;
        // In case it hangs. Until we have waited for it, its number is nobody else's.
        ProcessSignals.Send(process.Id, ProcessSignal.Terminate);
        process.WaitForExit();
        return false;
    }

    /// <summary>
    /// In the process that <see cref="Start"/> started: lets go of the starter's pipe and folder, and tells it that we are
    /// ready. In any other process it does nothing.
    /// </summary>
    public static void DetachAndSignalReady()
    {
        if (!BackgroundProcess.IsThis)
            return;
        StandardStreams.Detach();
        Environment.CurrentDirectory = "/"; // so that no file system stays in use because of us
        BackgroundProcess.SignalReady();
    }
}
