using System.Buffers.Binary;
using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Device;

/// <summary>
/// The file with the reserved timestamps of a key: a help against clocks that go back, never a reason not to work. These devices keep
/// theirs in the topology's folder.
/// </summary>
public class StateTests : IDisposable
{
    private const string Warning = " warning ";

    private readonly TwoHosts _hosts = new();
    private readonly WireGuardKeys _keys = WireGuardKeys.Generate();
    private readonly DeviceProcess _other;

    public StateTests() => _other = _hosts.StartOther();

    private string StateFile =>
        Path.Combine(_hosts.Net.TempFolder, $"timestamp-{_keys.PublicKey.Replace('/', '_').Replace('+', '-').TrimEnd('=')}");

    public void Dispose()
    {
        _hosts.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void A_disk_without_room_costs_a_warning()
    {
        // A file system of a page, all of it taken, that only this process sees.
        string folder = _hosts.Net.TempFolder;
        string program = _hosts.Behind($"""
            mount -t tmpfs -o size=4k tmpfs '{folder}'
            head -c 4096 /dev/zero > '{folder}/fill'
            """);

        WorksWithOneWarning(program, "No space left on device");
    }

    [Fact]
    public void A_disk_that_cannot_be_written_costs_a_warning() =>
        WorksWithOneWarning(_hosts.Behind($"mount -t tmpfs -o ro tmpfs '{_hosts.Net.TempFolder}'"), "Read-only file system");

    [Theory]
    [InlineData("")]
    [InlineData("@400000000000000a\n")]
    [InlineData("@zzzzzzzzzzzzzzzzzzzzzzzz\n")]
    [InlineData("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")]
    [InlineData("@400000000000000affffffff\n")]
    [InlineData("@ffffffffffffffffffffffff\n")]
    public void A_file_that_makes_no_sense_costs_a_warning_and_is_replaced(string content)
    {
        File.WriteAllText(StateFile, content);

        WorksWithOneWarning(Repository.Program, StateFile);

        Assert.InRange(ReadState(), DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(2));
    }

    [Fact]
    public void A_peer_that_goes_on_accepts_us_after_a_restart_with_a_clock_that_went_back()
    {
        // As if this machine had run an hour ahead, until now: a device's clock is the machine's, but the file speaks of another one.
        WriteState(DateTimeOffset.UtcNow.AddHours(1));
        DeviceProcess ahead = _hosts.StartKedge(_other, keys: _keys);
        _hosts.AwaitTunnel();
        Assert.InRange(ReadState(), DateTimeOffset.UtcNow.AddMinutes(59), DateTimeOffset.UtcNow.AddMinutes(63));
        ahead.Process.Kill();
        File.Delete(ahead.SocketPath);

        // Without the file the peer takes us for somebody who repeats an old initiation, and that is how it is to be.
        string kept = File.ReadAllText(StateFile);
        File.Delete(StateFile);
        DeviceProcess forgetful = Restarted();
        RunningProcess ping = _hosts.A.Start("ping", "-n", "-i", "0.5", TwoHosts.InnerB);
        Wait.Until(() => PeerOf(forgetful).SentBytes >= 2 * 148, TwoHosts.Patience, "a second initiation, the first being unanswered");
        Assert.Null(PeerOf(forgetful).LastHandshake);
        ping.Kill();
        forgetful.Process.Kill();
        File.Delete(forgetful.SocketPath);

        File.WriteAllText(StateFile, kept);
        DeviceProcess mindful = Restarted();
        _hosts.AwaitTunnel();
        Assert.NotNull(PeerOf(mindful).LastHandshake);
        Assert.DoesNotContain(Warning, mindful.Process.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_that_ends_as_asked_gives_back_what_it_reserved()
    {
        DeviceProcess kedge = _hosts.StartKedge(_other, keys: _keys);
        _hosts.AwaitTunnel();
        DateTimeOffset reserved = ReadState();
        Assert.True(reserved > DateTimeOffset.UtcNow);

        Assert.Equal(0, TwoHosts.End(kedge).ExitCode);

        Assert.True(ReadState() <= DateTimeOffset.UtcNow);
        // Beside it there are only the tests' own keys: nothing that was begun and not ended.
        Assert.Equal([StateFile], Directory.GetFiles(_hosts.Net.TempFolder).Where(path => Path.GetExtension(path) != ".key"));
    }

    private static Kedge.Protocol.WireGuard.Uapi.PeerStatus PeerOf(DeviceProcess device) => TwoHosts.StatusOf(device.Name).Peers.Single();

    /// <summary>Another device with the same key, whom the peer still knows from the one before.</summary>
    private DeviceProcess Restarted()
    {
        DeviceProcess kedge = DeviceProcess.StartKedge(_hosts.A, Repository.Program, _keys);
        kedge.SetUp([$"{TwoHosts.InnerA}/24", $"{TwoHosts.Inner6A}/64"]);
        kedge.AddPeer(_other, [$"{TwoHosts.InnerB}/32"], $"{TwoHosts.OuterB}:{_other.ListenPort}");
        return kedge;
    }

    private void WorksWithOneWarning(string program, string reason)
    {
        DeviceProcess kedge = _hosts.StartKedge(_other, program, _keys);
        _hosts.AwaitTunnel();
        _hosts.AwaitTunnel(TwoHosts.Inner6B);

        string warning = kedge.Process.WaitForLine(Warning, TwoHosts.Patience);
        Assert.Contains(reason, warning, StringComparison.Ordinal);
        Assert.Single(kedge.Process.Error.Split('\n'), line => line.Contains(Warning, StringComparison.Ordinal));
        Assert.Equal(0, TwoHosts.End(kedge).ExitCode);
        Assert.DoesNotContain("   at ", kedge.Process.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(" error ", kedge.Process.Error, StringComparison.Ordinal);
    }

    /// <summary>A TAI64N label in its external form: 2^62 + 10 + seconds since 1970, and nanoseconds.</summary>
    private void WriteState(DateTimeOffset time)
    {
        ulong seconds = (1UL << 62) + 10 + (ulong)time.ToUnixTimeSeconds();
        File.WriteAllText(StateFile, string.Create(CultureInfo.InvariantCulture, $"@{seconds:x16}{0:x8}\n"));
    }

    private DateTimeOffset ReadState()
    {
        byte[] label = Convert.FromHexString(File.ReadAllText(StateFile).Trim()[1..]);
        return DateTimeOffset.FromUnixTimeSeconds((long)(BinaryPrimitives.ReadUInt64BigEndian(label) - (1UL << 62) - 10));
    }
}
