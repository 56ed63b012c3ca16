using Kedge.Demo;

namespace Kedge.SystemTests.Startup;

/// <summary>Where standard output leads.</summary>
public sealed class StandardOutputTests
{
    [Theory]
    [InlineData("version")]
    [InlineData("--help")]
    [InlineData("up --help")]
    [InlineData("bugreport")]
    public void A_full_disk_is_reported_in_a_sentence(string command)
    {
        CommandResult result = Run($"exec '{Repository.Program}' {command} >/dev/full");

        Assert.Equal((1, "kedge: Standard output cannot be written: No space left on device.\n"), (result.ExitCode, WithoutPath(result.Error)));
    }

    [Fact]
    public void A_reader_that_has_seen_enough_is_no_error() =>
        Assert.Equal((0, ""), Run($"set -o pipefail; '{Repository.Program}' up --help | head -n 1 >/dev/null") is var result ? (result.ExitCode, result.Error) : default);

    [Theory]
    [InlineData(">&-")]
    [InlineData("<&- >&- 2>&-")]
    public void A_stream_that_is_closed_takes_nothing(string redirection) =>
        Assert.Equal((0, ""), Run($"exec '{Repository.Program}' version {redirection}") is var result ? (result.ExitCode, result.Error) : default);

    private static CommandResult Run(string script) => RunningProcess.Run(new Command("bash", "-c", script));

    // .NET adds the name of the stream's file to the reason.
    private static string WithoutPath(string error) => error.Replace(" : '/dev/full'", "", StringComparison.Ordinal);
}
