using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.Node.Supervision;
using Kedge.Protocol;

namespace Kedge.Commands.Service;

/// <summary>Starts units and waits until they are at work.</summary>
internal static class ServiceStart
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>Starts units, or starts them again where that is needed. Blocks.</summary>
    /// <param name="systemctl">The manager of this machine.</param>
    /// <param name="units">The units.</param>
    /// <param name="changed">Whether those that run have to be started again.</param>
    /// <param name="stopWaiting">Says that they may take as long as they like, and need not be waited for.</param>
    /// <returns>Whether they are at work; false where they are not waited for.</returns>
    /// <exception cref="UserError">One of them does not get to work; the message has what it said.</exception>
    public static bool Run(Systemctl systemctl, IReadOnlyList<string> units, bool changed, Func<bool> stopWaiting)
    {
        foreach (string unit in units.Where(unit => systemctl.Show(unit).ActiveState == "failed"))
            systemctl.Run("reset-failed", unit);
        var restarts = units.ToDictionary(unit => unit, unit => systemctl.Show(unit).Restarts);
        systemctl.Run([changed ? "restart" : "start", "--no-block", .. units]);
        Instant deadline = BootClock.Now + Timeout;
        while (true)
        {
            UnitState[] states = [.. units.Select(systemctl.Show)];
            if (states.All(state => state.IsActive))
                return true;
            // A manual start sets the count to 0.
            UnitState? failed = states.FirstOrDefault(state => state.ActiveState == "failed" || (state.Restarts > 0 && state.Restarts != restarts[state.Name]));
            if (failed is not null || BootClock.Now > deadline)
            {
                string late = failed?.Name ?? states.First(state => !state.IsActive).Name;
                throw new UserError(
                    $"{late} is installed, but {(failed is null ? $"is not up after {Timeout.TotalSeconds:0} seconds" : "does not start")}. It said:\n{LastWords(late)}");
            }
            if (stopWaiting())
                return false;
            Thread.Sleep(PollInterval);
        }
    }

    private static string LastWords(string unit)
    {
        try
        {
            ProgramResult journal = ExternalProgram.Run(["journalctl", "--no-pager", "--output=cat", "--lines=6", $"--unit={unit}"]);
            return string.Join('\n', journal.Output.TrimEnd().Split('\n').Select(line => "    " + line));
        }
        catch (LinuxException e)
        {
            return $"    (the journal cannot be read: {e.Message})";
        }
    }
}
