using Kedge.Commands.Node;

namespace Kedge.Tests.Commands.Node;

/// <summary>Log files that are read while others write them.</summary>
public sealed class LogFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;

    private string Up => Path.Combine(_folder, "up.log");

    private string Node => Path.Combine(_folder, "node.log");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Lines_of_all_files_are_in_the_order_of_their_times()
    {
        File.WriteAllText(Up + ".1", "2026-01-01T00:00:00.001Z info kedge0: first\n");
        File.WriteAllText(Up, "2026-01-01T00:00:00.003Z info kedge0: third\n2026-01-01T00:00:00.003Z info kedge0: fourth\n");
        File.WriteAllText(Node, "2026-01-01T00:00:00.002Z info kedge0: second\n2026-01-01T00:00:00.004Z info kedge0: fifth\n");
        using var logs = new LogFiles([Up, Node]);

        Assert.Equal(
            [
                "up   2026-01-01T00:00:00.001Z info kedge0: first",
                "node 2026-01-01T00:00:00.002Z info kedge0: second",
                "up   2026-01-01T00:00:00.003Z info kedge0: third",
                "up   2026-01-01T00:00:00.003Z info kedge0: fourth",
                "node 2026-01-01T00:00:00.004Z info kedge0: fifth",
            ],
            logs.ReadNew());
        Assert.Empty(logs.ReadNew());
    }

    [Fact]
    public void What_comes_later_is_read_once_and_in_whole_lines()
    {
        using var logs = new LogFiles([Up, Node]);
        Assert.Empty(logs.ReadNew());

        File.AppendAllText(Node, "1 a\n2 half");
        Assert.Equal(["node 1 a"], logs.ReadNew());
        File.AppendAllText(Node, " b\n");

        Assert.Equal(["node 2 half b"], logs.ReadNew());
    }

    [Fact]
    public void A_file_is_followed_across_its_renaming_and_removal()
    {
        File.WriteAllText(Node, "1 a\n");
        using var logs = new LogFiles([Node]);
        Assert.Equal(["node 1 a"], logs.ReadNew());

        File.AppendAllText(Node, "2 b\n");
        File.Move(Node, Node + ".1");
        File.WriteAllText(Node, "3 c\n");
        Assert.Equal(["node 2 b", "node 3 c"], logs.ReadNew());

        File.Delete(Node);
        Assert.Empty(logs.ReadNew());
        File.WriteAllText(Node, "4 d\n");
        Assert.Equal(["node 4 d"], logs.ReadNew());
    }
}
