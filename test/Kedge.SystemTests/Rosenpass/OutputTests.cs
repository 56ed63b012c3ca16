using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>What <c>kedge rosenpass</c> writes, and where that leads.</summary>
public sealed class OutputTests : IDisposable
{
    private readonly Tunnel _tunnel = Tunnel.Start(other: Implementation.Kedge);
    private readonly ExchangeEnd _here;
    private readonly ExchangeEnd _there;

    public OutputTests()
    {
        (_here, _there) = (new ExchangeEnd(_tunnel.Kedge), new ExchangeEnd(_tunnel.Other));
        _here.Configure(_there, "192.0.2.2:9999", version: null);
        _there.Configure(_here, endpoint: null, version: null);
    }

    public void Dispose() => _tunnel.Dispose();

    [Theory]
    [InlineData("exec \"$@\" >&-")]
    [InlineData("exec \"$@\" <&- >&- 2>&-")]
    [InlineData("exec \"$@\" >/dev/full 2>/dev/full")]
    [InlineData("exec 7<>\"$PIPE\"; dd if=/dev/zero of=\"$PIPE\" bs=4096 oflag=nonblock 2>/dev/null; exec \"$@\" >&7 2>&7")]
    public void Keys_are_installed_wherever_standard_output_leads_and_the_process_ends_when_asked_to(string script)
    {
        string pipe = Path.Combine(_tunnel.Kedge.Host.Topology.TempFolder, "pipe");
        _tunnel.Kedge.Host.Run("mkfifo", pipe);
        _there.Start();

        RunningProcess here = _tunnel.Kedge.Host.Start(new Command(["bash", "-c", script, "bash", .. _here.StartCommand])
        {
            Environment = new Dictionary<string, string> { ["PIPE"] = pipe },
        });

        Wait.Until(
            () => File.Exists(_here.KeyFile) && _here.PresharedKey == File.ReadAllText(_here.KeyFile) && _here.PresharedKey == _there.PresharedKey,
            Timeouts.Retry, "the same key at both ends, and in the file");
        Assert.False(here.HasExited);
        Assert.Equal(0, here.Stop().ExitCode);
    }

    [Fact]
    public void A_key_file_that_is_a_device_stays_one()
    {
        _tunnel.Kedge.Host.Run("mknod", _here.KeyFile, "c", "1", "3"); // as /dev/null
        _there.Start();

        RunningProcess here = _here.Start();

        here.WaitForLine($"key-file \"{_here.KeyFile}\" exchanged", Timeouts.Soon);
        Assert.Equal("character special file\n", _tunnel.Kedge.Host.Run("stat", "--format=%F", _here.KeyFile).Output);
    }

    [Fact]
    public void A_key_file_that_is_mounted_is_written_in_place()
    {
        string original = _here.KeyFile + ".original";
        File.WriteAllText(_here.KeyFile, "");
        File.WriteAllText(original, "longer than a key, so that what is left of it would show: 0123456789");
        _there.Start();

        RunningProcess here = _tunnel.Kedge.Host.Start(
        [
            "unshare", "--mount", "bash", "-c", "mount --bind \"$1\" \"$2\"; shift 2; exec \"$@\"", "bash", original, _here.KeyFile,
            .. _here.StartCommand,
        ]);

        here.WaitForLine($"key-file \"{_here.KeyFile}\" exchanged", Timeouts.Soon);
        Assert.Equal(_here.PresharedKey, File.ReadAllText(original));
    }
}
