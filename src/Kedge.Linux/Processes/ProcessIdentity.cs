using System.Globalization;

namespace Kedge.Linux.Processes;

/// <summary>
/// One process and no other: its number alone may be another's by now. Written as <c>PROCESS START</c>.
/// </summary>
/// <param name="Id">The process's number.</param>
/// <param name="Start">When it started, in clock ticks since boot: field 22 of proc_pid_stat(5).</param>
public readonly record struct ProcessIdentity(int Id, long Start)
{
    /// <summary>This process.</summary>
    public static ProcessIdentity Self { get; } = Of(Environment.ProcessId)!.Value;

    /// <summary>Whether it still runs. One that has ended, and whose parent has not asked how, does not.</summary>
    public bool IsAlive => Of(Id) == this;

    /// <summary>The process that has a number now; null where there is none, or it has ended.</summary>
    public static ProcessIdentity? Of(int id)
    {
        try
        {
            // The command in parentheses may itself contain blanks and parentheses; field 3, the state, follows its last one.
            string status = File.ReadAllText($"/proc/{id}/stat");
            string[] fields = status[(status.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : new(id, long.Parse(fields[22 - 3], CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static bool TryParse(string text, out ProcessIdentity identity)
    {
        identity = default;
        if (text.Trim().Split(' ') is not [var id, var start]
            || !int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            || !long.TryParse(start, NumberStyles.None, CultureInfo.InvariantCulture, out long ticks))
        {
            return false;
        }
        identity = new(number, ticks);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Id} {Start}");
}
