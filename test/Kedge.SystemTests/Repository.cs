using Kedge.Demo;

namespace Kedge.SystemTests;

/// <summary>Where things are in the working tree that this program was built from.</summary>
internal static class Repository
{
    /// <summary>The folder of <c>Kedge.slnx</c>.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The configuration that this program was built in, and with it the others.</summary>
    public const string Configuration =
#if DEBUG
        "Debug";
#else
        "Release";
#endif

    /// <summary>The published program: what <c>script/bootstrap</c> made, or what <c>KEDGE_PROGRAM</c> names.</summary>
    public static string Program
    {
        get
        {
            string program = Environment.GetEnvironmentVariable("KEDGE_PROGRAM") ?? PathOf("out/kedge");
            return File.Exists(program) ? program : throw new FileNotFoundException($"{program} is missing: run script/bootstrap first.");
        }
    }

    /// <summary>The full path of something in the tree.</summary>
    public static string PathOf(string relative) => Path.Combine(Root, relative);

    /// <summary>
    /// Copies a program, by another program: while this process had it open for writing, a child that is being forked would too, and the copy
    /// could not be run.
    /// </summary>
    public static void CopyProgram(string from, string to) => RunningProcess.Run(new Command("cp", from, to));

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Kedge.slnx")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException($"No Kedge.slnx above {AppContext.BaseDirectory}.");
    }
}
