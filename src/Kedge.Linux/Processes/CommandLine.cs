using System.Text;

namespace Kedge.Linux.Processes;

/// <summary>The command line of this process, as the kernel has it.</summary>
public static class CommandLine
{
    /// <summary>
    /// The words, the first of which is the name by which the program was called: the runtime passes on only those after it.
    /// </summary>
    public static IReadOnlyList<string> Read()
    {
        // Every word ends on a zero byte, and a word may be empty.
        string words = Encoding.UTF8.GetString(File.ReadAllBytes("/proc/self/cmdline"));
        return words.EndsWith('\0') ? words[..^1].Split('\0') : words.Split('\0');
    }
}
