using System.Globalization;
using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.Protocol;

namespace Kedge.Node.Supervision;

/// <summary>The state of a unit, as <c>systemctl show</c> reports it. Unknown properties are empty.</summary>
/// <param name="Name">The unit.</param>
/// <param name="LoadState"><c>loaded</c>, or <c>not-found</c> where there is no such unit.</param>
/// <param name="FileState"><c>enabled</c>, <c>disabled</c> or another word.</param>
/// <param name="ActiveState"><c>active</c>, <c>activating</c>, <c>inactive</c>, <c>failed</c> or another word.</param>
/// <param name="SubState">The state specific to the unit's type, such as <c>running</c> or <c>auto-restart</c>.</param>
/// <param name="Status">The status that the service reports (STATUS= of sd_notify(3)).</param>
/// <param name="ActiveSince">When it became active; null where it is not.</param>
/// <param name="Restarts">How often systemd has restarted it by itself.</param>
/// <param name="HasJob">Whether it is about to be started, restarted or stopped.</param>
public sealed record UnitState(
    string Name,
    string LoadState,
    string FileState,
    string ActiveState,
    string SubState,
    string Status,
    DateTimeOffset? ActiveSince,
    int Restarts,
    bool HasJob)
{
    /// <summary>Whether the unit is active, and stays so.</summary>
    public bool IsActive => ActiveState == "active" && !HasJob;

    /// <summary>Whether it starts with the machine.</summary>
    public bool IsEnabled => FileState is "enabled" or "enabled-runtime";

    /// <summary>Reads the output of <c>systemctl show --timestamp=utc</c> for one unit: lines of <c>PROPERTY=VALUE</c>.</summary>
    public static UnitState Parse(string name, string properties)
    {
        Dictionary<string, string> values = [];
        foreach (string line in properties.Split('\n'))
        {
            if (line.Split('=', 2) is [var property, var value])
                values[property] = value;
        }
        string Of(string property) => values.GetValueOrDefault(property, "");
        bool isActive = Of("ActiveState") == "active";
        return new UnitState(
            name, Of("LoadState"), Of("UnitFileState"), Of("ActiveState"), Of("SubState"), Of("StatusText"),
            isActive ? ReadTime(Of("ActiveEnterTimestamp")) : null,
            Number("NRestarts"), Number("Job") != 0);

        int Number(string property) =>
            int.TryParse(Of(property), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0;
    }

    // Such as "Mon 2026-11-30 11:52:48 UTC".
    private static DateTimeOffset? ReadTime(string text) => DateTimeOffset.TryParseExact(
        text, "ddd yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time)
            ? time : null;
}

/// <summary>The service manager of this machine, or of a root folder that is not running, by systemctl(1).</summary>
/// <param name="root">The root folder; null for the running system.</param>
public sealed class Systemctl(string? root = null)
{
    /// <summary>The unit of the controller.</summary>
    public const string ControllerUnit = "kedge-controller.service";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private string[] Line => root is null ? ["systemctl"] : ["systemctl", $"--root={root}"];

    /// <summary>Whether systemd manages this machine (sd_booted(3)).</summary>
    public static bool IsBooted => Directory.Exists("/run/systemd/system");

    /// <summary>The units of a node, the node process first.</summary>
    public static IReadOnlyList<string> NodeUnits(string interfaceName) =>
        [$"kedge-node@{interfaceName}.service", $"kedge-link@{interfaceName}.service"];

    /// <summary>Runs a command of systemctl(1), such as <c>enable</c>.</summary>
    /// <exception cref="UserError">It failed; the message has what it said.</exception>
    public string Run(params IReadOnlyList<string> words)
    {
        string[] line = [.. Line, "--no-pager", .. words];
        try
        {
            ProgramResult result = ExternalProgram.Run(line, patience: Patience);
            return result.Succeeded ? result.Output : throw new UserError($"'{string.Join(' ', line)}' {result.Failure}");
        }
        catch (LinuxException e)
        {
            throw new UserError($"'{string.Join(' ', line)}' could not be run: {e.Message}. Services need systemd.", e);
        }
    }

    /// <summary>The state of a unit, which need not exist.</summary>
    /// <exception cref="UserError">systemctl failed.</exception>
    public UnitState Show(string unit) => UnitState.Parse(unit, Run(
        "show", "--timestamp=utc",
        "--property=LoadState,UnitFileState,ActiveState,SubState,StatusText,ActiveEnterTimestamp,NRestarts,Job", unit));

    /// <summary>The state of a unit's file, such as <c>enabled</c> or <c>disabled</c>; empty where there is none.</summary>
    public string FileState(string unit)
    {
        try
        {
            // Its exit code tells enabled from disabled; the word says more.
            return ExternalProgram.Run([.. Line, "is-enabled", unit]).Output.Trim();
        }
        catch (LinuxException)
        {
            return "";
        }
    }
}
