using Kedge.Demo;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;

namespace Kedge.SystemTests.Linux;

public class ProcessLockTests : IDisposable
{
    private readonly Topology _net = Topology.Create(); // For its folder, which is removed whatever happens.

    private string File => Path.Combine(_net.TempFolder, "lock");

    public void Dispose()
    {
        _net.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void A_lock_is_had_once_and_says_by_whom()
    {
        Assert.Null(ProcessLock.Holder(File));
        using (ProcessLock? first = ProcessLock.TryTake(File))
        {
            Assert.NotNull(first);
            Assert.Null(ProcessLock.TryTake(File));
            Assert.Equal(ProcessIdentity.Self, ProcessLock.Holder(File));
            Assert.Equal(ProcessIdentity.Self, ProcessLock.Holder(File)); // asking takes nothing away
        }
        Assert.Null(ProcessLock.Holder(File));
        using ProcessLock? again = ProcessLock.TryTake(File);
        Assert.NotNull(again);
    }

    [Fact]
    public void A_lock_ends_with_its_process_and_not_with_what_that_started()
    {
        // What it starts gets no copy of the descriptor: it is closed when the program is executed.
        using ProcessLock? ours = ProcessLock.TryTake(File);
        using RunningProcess child = RunningProcess.Start(new Command("sleep", "60"));

        ours!.Dispose();

        using ProcessLock? again = ProcessLock.TryTake(File);
        Assert.NotNull(again);
        Assert.False(child.HasExited);
    }

    [Fact]
    public void A_process_is_itself_and_not_whoever_has_its_number()
    {
        using RunningProcess process = RunningProcess.Start(new Command("sleep", "60"));
        ProcessIdentity identity = ProcessIdentity.Of(process.ProcessId)!.Value;

        Assert.True(identity.IsAlive);
        Assert.False((identity with { Start = identity.Start + 1 }).IsAlive);
        Assert.Null(ProcessHandle.Open(identity with { Start = identity.Start + 1 }));
        Assert.True(ProcessIdentity.TryParse($"{identity}\n", out ProcessIdentity read));
        Assert.Equal(identity, read);

        using ProcessHandle? handle = ProcessHandle.Open(identity);
        Assert.False(handle!.WaitForExit(TimeSpan.Zero));
        process.Kill();
        Assert.True(handle.WaitForExit(TimeSpan.FromSeconds(10)));
        Assert.False(handle.Signal(ProcessSignal.Terminate));
        Assert.False(identity.IsAlive);
        Assert.Null(ProcessHandle.Open(identity));
    }

    [Fact]
    public void A_process_that_does_not_end_when_asked_is_ended()
    {
        using RunningProcess process = RunningProcess.Start(new Command("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"));
        process.WaitForLine("ready", TimeSpan.FromSeconds(10));
        using ProcessHandle? handle = ProcessHandle.Open(ProcessIdentity.Of(process.ProcessId)!.Value);

        handle!.End(TimeSpan.FromMilliseconds(200));

        Assert.True(handle.WaitForExit(TimeSpan.Zero));
    }

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData("12 x")]
    [InlineData("12 13 14")]
    [InlineData("-1 13")]
    public void What_is_no_process_is_not_read(string text) => Assert.False(ProcessIdentity.TryParse(text, out _));
}
