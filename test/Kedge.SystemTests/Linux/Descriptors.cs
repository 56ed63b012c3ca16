using System.Globalization;

namespace Kedge.SystemTests.Linux;

/// <summary>The descriptors of this process, as /proc shows them.</summary>
internal static class Descriptors
{
    private const int CloseOnExec = 0x80000; // O_CLOEXEC

    /// <summary>The numbers of those whose target <paramref name="isWanted"/>.</summary>
    public static List<int> Open(Func<string, bool> isWanted) =>
    [
        .. from path in Directory.GetFiles("/proc/self/fd")
           where new FileInfo(path).LinkTarget is { } target && isWanted(target)
           select int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture),
    ];

    /// <summary>
    /// A line of what the kernel tells about a descriptor; null where there is no such line, or no such descriptor any more.
    /// </summary>
    public static string? Line(int number, string name)
    {
        try
        {
            string start = name + ":";
            string? line = File.ReadLines($"/proc/self/fdinfo/{number}").FirstOrDefault(one => one.StartsWith(start, StringComparison.Ordinal));
            return line?[start.Length..].Trim();
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Whether a descriptor that is open stays here when this process runs another program.</summary>
    public static bool ClosesOnExec(int number) => Line(number, "flags") is not { } flags || (Convert.ToInt32(flags, 8) & CloseOnExec) != 0;
}
