using System.Globalization;
using System.Text.RegularExpressions;

namespace Kedge.Demo;

/// <summary>
/// The process to whom things on this machine belong, and how their names say so, so that a later run can tell what a dead one left behind
/// from what a live one uses: namespaces and folders are called <c>kedge-PID-START-LABEL</c>, where START is the process's start in clock
/// ticks since boot (a pid alone may be used again), and interfaces <c>ktPPPPPSSSN</c>, all in base 36: the pid in five digits, and of START
/// the last three.
/// </summary>
/// <param name="ProcessId">The process's id.</param>
/// <param name="Start">
/// Its start in clock ticks since boot, field 22 of proc_pid_stat(5); for an interface's owner, modulo <see cref="ShortStartModulus"/>.
/// </param>
internal readonly partial record struct Owner(int ProcessId, long Start)
{
    private const string Digits = "0123456789abcdefghijklmnopqrstuvwxyz";
    private const long ShortStartModulus = 36 * 36 * 36;

    /// <summary>Bytes of the longest interface name, <c>IFNAMSIZ</c> less the final zero.</summary>
    private const int LongestInterfaceName = 15;

    /// <summary>This process.</summary>
    public static Owner Self { get; } = new(Environment.ProcessId, StartOf(Environment.ProcessId)!.Value);

    /// <summary>Whether this owner still runs.</summary>
    public bool IsAlive => StartOf(ProcessId) is { } start && (start == Start || start % ShortStartModulus == Start);

    /// <summary>The name of a namespace or folder of this owner.</summary>
    public string Name(string label) => string.Create(CultureInfo.InvariantCulture, $"kedge-{ProcessId}-{Start}-{label}");

    /// <summary>
    /// The name of this owner's interface number <paramref name="number"/>, unique on the machine and at most 15 bytes long.
    /// </summary>
    public string InterfaceName(int number)
    {
        string name = $"kt{ToBase36(ProcessId, 5)}{ToBase36(Start % ShortStartModulus, 3)}{ToBase36(number, 1)}";
        return name.Length <= LongestInterfaceName
            ? name
            : throw new InvalidOperationException($"{name} is too long for the name of an interface.");
    }

    /// <summary>Whose namespace or folder this is; null for any other name.</summary>
    public static Owner? OfName(string name) =>
        NamePattern().Match(name) is { Success: true } match
        && int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int processId)
        && long.TryParse(match.Groups[2].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out long start)
            ? new Owner(processId, start)
            : null;

    /// <summary>Whose interface this is; null for any other name.</summary>
    public static Owner? OfInterface(string name) =>
        InterfacePattern().Match(name) is { Success: true } match
            ? new Owner((int)FromBase36(match.Groups[1].ValueSpan), FromBase36(match.Groups[2].ValueSpan))
            : null;

    /// <summary>When a process started, in clock ticks since boot; null where there is none of this id.</summary>
    private static long? StartOf(int processId)
    {
        try
        {
            // The command in parentheses may itself contain blanks and parentheses; field 3 follows its last one.
            string status = File.ReadAllText($"/proc/{processId}/stat");
            string[] fields = status[(status.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[22 - 3], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string ToBase36(long value, int leastDigits)
    {
        string text = "";
        for (; value > 0; value /= 36)
            text = Digits[(int)(value % 36)] + text;
        return text.PadLeft(leastDigits, '0');
    }

    private static long FromBase36(ReadOnlySpan<char> text)
    {
        long value = 0;
        foreach (char digit in text)
            value = value * 36 + Digits.IndexOf(digit, StringComparison.Ordinal);
        return value;
    }

    [GeneratedRegex(@"^kedge-(\d{1,10})-(\d{1,18})-")]
    private static partial Regex NamePattern();

    [GeneratedRegex("^kt([0-9a-z]{5})([0-9a-z]{3})[0-9a-z]+$")]
    private static partial Regex InterfacePattern();
}
