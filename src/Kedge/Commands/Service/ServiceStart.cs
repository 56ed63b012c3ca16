using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.Node.Supervision;
using Kedge.Protocol;

namespace Kedge.Commands.Service;

/// <summary>Starts units and waits until they are active.</summary>
internal static class ServiceStart
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>Starts units, or restarts them, and waits. Blocks.</summary>
    /// <param name="systemctl">The manager of this machine.</param>
    /// <param name="units">The units.</param>
    /// <param name="changed">Whether units that run are to be restarted.</param>
    /// <param name="mayTakeLong">Whether a unit with this status waits for something that may take as long as it likes.</param>
    /// <returns>The status of a unit that may take long; null once all are active.</returns>
    /// <exception cref="UserError">A unit does not start; the message quotes its log.</exception>
    public static string? Run(Systemctl systemctl, IReadOnlyList<string> units, bool changed, Func<string, bool> mayTakeLong)
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
                return null;
            // A manual start sets the count to 0.
            UnitState? failed = states.FirstOrDefault(state =>
                state.ActiveState == "failed" || (state.Restarts > 0 && state.Restarts != restarts[state.Name]));
            if (failed is not null || BootClock.Now > deadline)
            {
                string late = failed?.Name ?? states.First(state => !state.IsActive).Name;
                string problem = failed is null ? $"is not up after {Timeout.TotalSeconds:0} seconds" : "does not start";
                throw new UserError($"{late} is installed, but {problem}. Its log:\n{LastWords(late)}");
            }
            if (states.FirstOrDefault(state => !state.IsActive && state.Status.Length > 0 && mayTakeLong(state.Status)) is { } waiting)
                return waiting.Status;
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
