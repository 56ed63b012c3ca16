using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;

namespace Kedge.Commands;

/// <summary>How a command goes to the background: .NET cannot fork, so it is started again, in a session of its own.</summary>
internal static class Background
{
    /// <summary>How long a device may take until it can be configured.</summary>
    public static readonly TimeSpan DeviceTimeout = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Starts this program again with the same command line, and waits until it signals that it is ready. Until then its standard error is
    /// copied to ours. Blocks.
    /// </summary>
    /// <param name="timeout">How long that may take.</param>
    /// <param name="ending">Ends it before it is ready.</param>
    /// <returns>Whether it is ready; if not, it has ended.</returns>
    /// <exception cref="LinuxException">It could not be started.</exception>
    public static bool Start(TimeSpan timeout, CancellationToken ending = default)
    {
        using BackgroundProcess process = BackgroundProcess.Start(Environment.ProcessPath!, CommandLine.Read());
        using (ending.Register(() => process.Signal(ProcessSignal.Terminate)))
        using (Stream error = Console.OpenStandardError())
        {
            if (process.WaitReady(timeout, error.Write) && !ending.IsCancellationRequested)
                return true;
        }
        process.Signal(ProcessSignal.Terminate); // in case it hangs
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
