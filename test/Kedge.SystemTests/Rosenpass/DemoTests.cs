using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Rosenpass;

/// <summary><c>kedge demo pq</c>, which is a test by itself.</summary>
public class DemoTests
{
    [Fact]
    public void Each_check_of_the_demo_passes_and_is_one_object()
    {
        using RunningProcess demo = RunningProcess.Start(new Command(Repository.Program, "demo", "pq", "--json"));
        CommandResult result = demo.WaitForExit(TimeSpan.FromMinutes(2)); // on a machine that has much else to do
        string[] lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.All(lines, line =>
        {
            using JsonDocument check = JsonDocument.Parse(line);
            Assert.True(check.RootElement.GetProperty("ok").GetBoolean(), line);
        });
        Assert.Contains(lines, line => line.Contains("\"renewal\"", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("\"WireGuard\\u0027s keys are not enough\"", StringComparison.Ordinal));
    }
}
