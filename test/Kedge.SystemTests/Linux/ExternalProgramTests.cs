using System.Text;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Linux;

/// <summary>Programs that are run to their end.</summary>
public class ExternalProgramTests
{
    [Fact]
    public void What_a_program_reads_prints_and_ends_with_is_handed_on()
    {
        ProgramResult result = ExternalProgram.Run(["sh", "-c", "cat; echo wrong >&2; exit 3"], Encoding.UTF8.GetBytes("input"));
        Assert.Equal((3, "input", "wrong\n"), (result.ExitCode, result.Output, result.Error));
    }

    [Fact]
    public void Arguments_are_handed_over_as_they_are() =>
        Assert.Equal("[a b][$HOME][]", ExternalProgram.Run(["printf", "[%s]", "a b", "$HOME", ""]).Output);

    [Fact]
    public void More_than_a_pipe_holds_is_read_from_both_streams()
    {
        const int Length = 1 << 20;
        ProgramResult result = ExternalProgram.Run(["sh", "-c", $"head -c {Length} /dev/zero >&2; head -c {Length} /dev/zero"]);
        Assert.Equal((Length, Length), (result.Output.Length, result.Error.Length));
    }

    [Fact]
    public void It_runs_in_the_network_namespace_of_the_calling_thread()
    {
        using Topology net = Topology.Create();
        Host host = net.AddHost("a");
        string[] line = ["readlink", "/proc/self/ns/net"];
        Assert.Equal(host.Run(line).Output, host.Namespace.Run(() => ExternalProgram.Run(line)).Output);
    }

    [Fact]
    public void A_program_that_is_not_there_is_named()
    {
        var error = Assert.Throws<LinuxException>(() => ExternalProgram.Run(["kedge-absent-program"]));
        Assert.Equal((Errno.ENOENT, "start", "kedge-absent-program"), (error.Errno, error.Operation, error.Target));
    }

    [Fact]
    public void One_that_takes_too_long_is_ended_with_what_it_has_started()
    {
        string mark = $"{Environment.ProcessId}.25";
        var error = Assert.Throws<LinuxException>(() => ExternalProgram.Run(["sh", "-c", $"sleep {mark} & sleep {mark}; true"]));
        Assert.Equal(Errno.ETIME, error.Errno);
        using RunningProcess search = RunningProcess.Start(new Command("pgrep", "-fx", $"sleep {mark}"));
        Assert.Equal("", search.WaitForExit(Timeouts.Soon).Output);
    }
}
