using System.Globalization;

namespace Kedge.SystemTests.Abuse;

/// <summary>What the kernel says about a process (proc(5)).</summary>
internal static class ProcessFigures
{
    private static readonly TimeSpan ClockTick = TimeSpan.FromMilliseconds(10); // USER_HZ is 100 for every program

    /// <summary>Bytes of memory that are in use now.</summary>
    public static long Memory(int processId) => 1024 * Field($"/proc/{processId}/status", "VmRSS:");

    /// <summary>How many descriptors it has open.</summary>
    public static int Descriptors(int processId) => Directory.GetFiles($"/proc/{processId}/fd").Length;

    /// <summary>
    /// Time on a CPU so far, of all threads that still run but one: that in which the runtime compiles anew what has run often. It comes
    /// to its end by itself, but on a busy machine nobody can tell when.
    /// </summary>
    public static TimeSpan CpuTime(int processId)
    {
        long ticks = 0;
        foreach (string task in Directory.GetDirectories($"/proc/{processId}/task"))
        {
            try
            {
                string status = File.ReadAllText($"{task}/stat");
                string[] times = status[(status.LastIndexOf(')') + 2)..].Split(' ')[(14 - 3)..(16 - 3)]; // utime and stime
                if (!status.Contains("(.NET Tiered Com", StringComparison.Ordinal))
                    ticks += times.Sum(time => long.Parse(time, CultureInfo.InvariantCulture));
            }
            catch (IOException)
            {
                // This thread has just ended.
            }
        }
        return ClockTick * ticks;
    }

    /// <summary>How often threads of these names have gone to sleep so far.</summary>
    public static long Sleeps(int processId, params string[] names) =>
        Directory.GetDirectories($"/proc/{processId}/task")
            .Where(task => names.Contains(File.ReadAllText($"{task}/comm").Trim()))
            .Sum(task => Field($"{task}/status", "voluntary_ctxt_switches:"));

    private static long Field(string path, string name)
    {
        string line = File.ReadLines(path).First(line => line.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture);
    }
}
