using System.IO.Pipes;
using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.SystemTests.Topologies;

namespace Kedge.SystemTests.Linux;

public class BackgroundProcessTests
{
    /// <summary>bash, because other shells do not take descriptors above 9.</summary>
    private const string Shell = "/bin/bash";

    private const string Ready = "printf 1 >&$KEDGE_READY_FD; ";

    [Fact]
    public void A_process_that_says_it_is_ready_is_heard_and_leads_a_session_of_its_own()
    {
        using AnonymousPipeServerStream keepAlive = new(PipeDirection.Out, HandleInheritability.None);
        int input = (int)keepAlive.ClientSafePipeHandle.DangerousGetHandle();

        using BackgroundProcess process = BackgroundProcess.Start(Shell, ["a name", "-c", $"{Ready} read -u {input}; exit 7"], input);

        Assert.True(process.WaitReady(Receiver.Patience));
        string[] status = File.ReadAllText($"/proc/{process.Id}/stat").Split(' ');
        Assert.Equal($"{process.Id}", status[^47]); // proc(5): field 6, the session, counted from the end for the blank in field 2.
        Assert.StartsWith("a name\0-c\0", File.ReadAllText($"/proc/{process.Id}/cmdline"), StringComparison.Ordinal);
        Assert.Equal("/dev/null", new FileInfo($"/proc/{process.Id}/fd/0").LinkTarget);
        keepAlive.Dispose();
        Assert.Equal(7, process.WaitForExit());
    }

    [Fact]
    public void A_process_that_ends_before_it_is_ready_is_noticed_at_once()
    {
        using BackgroundProcess process = BackgroundProcess.Start(Shell, ["bash", "-c", "exit 3"]);

        Assert.False(process.WaitReady(Timeout.InfiniteTimeSpan));
        Assert.Equal(3, process.WaitForExit());
    }

    [Fact]
    public void A_signal_is_told_as_a_shell_does()
    {
        using BackgroundProcess process = BackgroundProcess.Start(Shell, ["bash", "-c", "kill -TERM $$"]);

        Assert.Equal(128 + 15, process.WaitForExit());
    }

    [Fact]
    public void A_process_that_never_becomes_ready_is_not_waited_for_for_ever()
    {
        using AnonymousPipeServerStream keepAlive = new(PipeDirection.Out, HandleInheritability.None);
        int input = (int)keepAlive.ClientSafePipeHandle.DangerousGetHandle();
        using BackgroundProcess process = BackgroundProcess.Start(Shell, ["bash", "-c", $"read -u {input}"], input);

        Assert.False(process.WaitReady(TimeSpan.FromMilliseconds(50)));

        Assert.True(Leftovers.Runs(process.Id));
        keepAlive.Dispose();
        process.WaitForExit();
    }

    [Fact]
    public void A_process_inherits_what_is_named_and_the_standard_descriptors_alone()
    {
        using AnonymousPipeServerStream listing = new(PipeDirection.In, HandleInheritability.Inheritable);
        int output = (int)listing.ClientSafePipeHandle.DangerousGetHandle();
        using AnonymousPipeServerStream other = new(PipeDirection.In, HandleInheritability.Inheritable);
        string script = $"exec {{KEDGE_READY_FD}}>&-; cd /proc/$$/fd; for one in *; do [ -e $one ] && printf '%s ' $one >&{output}; done";

        using BackgroundProcess process = BackgroundProcess.Start(Shell, ["bash", "-c", script], output);
        listing.DisposeLocalCopyOfClientHandle();
        using var reader = new StreamReader(listing);
        int[] inherited = [.. reader.ReadToEnd().Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
        process.WaitForExit();

        Assert.Equal([0, 1, 2, output], inherited.Where(number => number != 255).Order()); // 255 is bash's own.
    }

    [Fact]
    public void Readiness_is_told_once_and_the_pipe_closed()
    {
        using AnonymousPipeServerStream pipe = new(PipeDirection.In, HandleInheritability.None);
        string number = $"{pipe.ClientSafePipeHandle.DangerousGetHandle()}";
        pipe.ClientSafePipeHandle.SetHandleAsInvalid(); // It belongs to who signals.
        Environment.SetEnvironmentVariable("KEDGE_READY_FD", number);

        BackgroundProcess.SignalReady();

        Assert.Equal(1, pipe.ReadByte());
        Assert.Equal(-1, pipe.ReadByte());
        Assert.Null(Environment.GetEnvironmentVariable("KEDGE_READY_FD"));
        BackgroundProcess.SignalReady();
    }

    [Fact]
    public void A_program_that_is_not_there_is_named()
    {
        var failure = Assert.Throws<LinuxException>(() => BackgroundProcess.Start("/nowhere/kedge", ["kedge"]));

        Assert.Equal(Errno.ENOENT, failure.Errno);
        Assert.Contains("/nowhere/kedge", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_line_starts_with_the_name_that_was_called()
    {
        string[] words = [.. CommandLine.Read()];

        Assert.Equal(Path.GetFileName(Environment.ProcessPath), Path.GetFileName(words[0]));
        Assert.Equal(Environment.GetCommandLineArgs()[1..], words[1..]);
    }
}
