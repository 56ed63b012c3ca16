using Kedge.Demo;
using Kedge.Node.Supervision;
using Kedge.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.SystemTests.Supervision;

/// <summary>The error when a process does not start.</summary>
public sealed class SupervisorTests : IDisposable
{
    private readonly Topology _net = Topology.Create(); // for its folder alone

    private string LogFile => Path.Combine(_net.TempFolder, "link.log");

    public void Dispose() => _net.Dispose();

    [Fact]
    public void Its_own_words_come_first() => Assert.Equal(
        "The key is missing.", Failure("echo 'T warning kedge0: Something else' >> $LOG; echo 'kedge: The key is missing.' >&2; exit 1"));

    [Fact]
    public void Without_words_it_is_the_last_complaint_of_this_start_in_its_log()
    {
        File.WriteAllText(LogFile, "T error kedge0: Of an earlier start\n");

        Assert.Equal(
            "The control link did not start. The route cannot be set: Permission denied",
            Failure(
                """
                echo 'T warning kedge0: The map is old' >> $LOG
                echo 'T warning kedge0: The route cannot be set: Permission denied' >> $LOG
                echo 'T info kedge0: Ends as asked by a signal' >> $LOG
                """));
    }

    [Fact]
    public void A_process_that_says_nothing_is_told_as_such() =>
        Assert.Equal("The control link did not start. It gave no reason.", Failure("exit 1"));

    private string Failure(string script)
    {
        var supervisor = new Supervisor("/bin/bash", NullLogger.Instance);
        var process = new SupervisedProcess("control link", ["bash", "-c", $"LOG='{LogFile}'; {script}"], LogFile, () => null);
        return Assert.Throws<UserError>(() => supervisor.Keep(process)).Message;
    }
}
