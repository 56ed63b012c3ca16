using Kedge.Demo;

namespace Kedge.SystemTests;

/// <summary>The manual pages that packages get of <c>kedge man</c>.</summary>
public sealed class ManTests : IDisposable
{
    private const string Epoch = "1760000000"; // 2025-10-09

    private readonly Topology _net = Topology.Create(); // for its folder alone

    public void Dispose() => _net.Dispose();

    [Fact]
    public void Mandoc_finds_nothing_wrong_with_the_pages()
    {
        string folder = Write("pages", []);

        CommandResult lint = RunningProcess.Run(new Command(["mandoc", "-T", "lint", "-W", "warning", .. Directory.GetFiles(folder)]));

        Assert.Equal((0, ""), (lint.ExitCode, lint.Output + lint.Error));
        Assert.Contains("2025-10-09", File.ReadLines(Path.Combine(folder, "kedge.1")).First(), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_of_the_machine_that_makes_the_pages_is_in_them()
    {
        string home = Directory.CreateDirectory(Path.Combine(_net.TempFolder, "home")).FullName;

        string one = Write("one", []);
        string other = Write("other", new()
        {
            ["HOME"] = home,
            ["XDG_CONFIG_HOME"] = home,
            ["KEDGE_INTERFACE"] = "wg7",
            ["KEDGE_MTU"] = "1234",
            ["KEDGE_QUEUES"] = "3",
            ["KEDGE_STATE_DIR"] = home,
            ["LOG_LEVEL"] = "verbose",
            ["LANG"] = "de_DE.UTF-8",
            ["TZ"] = "Asia/Tokyo",
            ["DOTNET_PROCESSOR_COUNT"] = "9",
        });

        Assert.Equal(Contents(one), Contents(other));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_told()
    {
        string file = _net.WriteSecret("file", "");

        CommandResult result = RunningProcess.Run(new Command(Repository.Program, "man", "--out", Path.Combine(file, "pages")));

        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith("kedge: The pages cannot be written to ", result.Error, StringComparison.Ordinal);
    }

    private string Write(string name, Dictionary<string, string> environment)
    {
        string folder = Path.Combine(_net.TempFolder, name);
        environment["SOURCE_DATE_EPOCH"] = Epoch;
        CommandResult result = RunningProcess.Run(new Command(Repository.Program, "man", "--out", folder) { Environment = environment });
        Assert.Equal((0, ""), (result.ExitCode, result.Output + result.Error));
        return folder;
    }

    private static Dictionary<string, string> Contents(string folder) =>
        Directory.GetFiles(folder).ToDictionary(path => Path.GetFileName(path), File.ReadAllText);
}
