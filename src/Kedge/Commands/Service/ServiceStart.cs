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
    /// <param name="mayTakeLong">Whether a unit with this status waits for something that may take as long as it likes.</param>
    /// <returns>What a unit says that is not waited for; null where all are at work.</returns>
    /// <exception cref="UserError">One of them does not get to work; the message has what it said.</exception>
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
                throw new UserError($"{late} is installed, but {problem}. It said:\n{LastWords(late)}");
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
