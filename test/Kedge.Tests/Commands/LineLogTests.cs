using Kedge.Commands;
using Microsoft.Extensions.Logging;

namespace Kedge.Tests.Commands;

/// <summary>What is written into log files.</summary>
public sealed class LineLogTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;

    private string File => Path.Combine(_folder, "node.log");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_a_stranger_had_a_say_in_moves_no_cursor_and_makes_no_second_line()
    {
        Write("refused: \u001b[2J\u009b1A\nforged\u2028line\u202e \a");

        string line = Assert.Single(System.IO.File.ReadAllLines(File));
        Assert.EndsWith("warning kedge0: refused: \uFFFD[2J\uFFFD1A | forged | line\uFFFD \uFFFD", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_is_its_owners_alone_and_bounded_in_bytes()
    {
        string chunk = new('x', 1 << 20);
        for (int i = 0; i < 13; i++)
            Write(chunk);

        Assert.Equal(["node.log", "node.log.1"], Directory.GetFiles(_folder).Select(path => Path.GetFileName(path)).Order());
        Assert.All(Directory.GetFiles(_folder), path =>
        {
            Assert.InRange(new FileInfo(path).Length, 1, LineLog.MaximumLength + chunk.Length + 100);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(path));
        });
    }

    private void Write(string message) =>
        new LineLog("kedge0", LogLevel.Information, File).Log(LogLevel.Warning, default, message, exception: null, (text, _) => text);
}
