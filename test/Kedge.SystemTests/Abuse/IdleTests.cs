using System.Diagnostics;
using System.Globalization;
using Kedge.Demo;
using Kedge.SystemTests.Device;

namespace Kedge.SystemTests.Abuse;

/// <summary>A device that has nothing to do does nothing: no loop spins, whatever has become of what it waits on.</summary>
public class IdleTests : IDisposable
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(3);
    private static readonly string[] PacketThreads = ["outbound", "inbound", "handshake"];

    private readonly TwoHosts _hosts = new();

    public void Dispose()
    {
        _hosts.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void Fifty_peers_that_are_silent_cost_nothing()
    {
        DeviceProcess kedge = DeviceProcess.StartKedge(_hosts.A, Repository.Program);
        kedge.SetUp([$"{TwoHosts.InnerA}/24"]);
        kedge.Set(
        [
            .. Enumerable.Range(0, 50).SelectMany(i => (string[])[
                "peer", Key(i), "endpoint", string.Create(CultureInfo.InvariantCulture, $"{TwoHosts.OuterB}:{7100 + i}"),
                "allowed-ips", string.Create(CultureInfo.InvariantCulture, $"192.168.50.{i}/32")]),
        ]);

        AssertIdle(kedge, sleeps: 10);

        // Any 32 bytes will do for the key of a peer that is never spoken to.
        static string Key(int number) => Convert.ToBase64String([(byte)number, .. Enumerable.Repeat((byte)7, 31)]);
    }

    [Fact]
    public void A_tunnel_in_use_costs_nothing_while_nobody_uses_it()
    {
        DeviceProcess kedge = Connected(out _);

        AssertIdle(kedge, sleeps: 10);
    }

    [Fact]
    public void An_interface_that_is_down_costs_nothing()
    {
        DeviceProcess kedge = Connected(out _);

        _hosts.A.Ip("link", "set", kedge.Name, "down");

        AssertIdle(kedge, sleeps: 10);
    }

    [Fact]
    public void A_peer_that_has_vanished_costs_next_to_nothing()
    {
        // Its host answers that nobody is there, once for each packet, and initiations are repeated.
        DeviceProcess kedge = Connected(out DeviceProcess other);
        other.Process.Kill();
        using RunningProcess ping = _hosts.A.Start("ping", "-n", "-i", "0.5", TwoHosts.InnerB);

        AssertIdle(kedge, sleeps: 60);
    }

    [Fact]
    public void Clients_that_have_gone_away_cost_nothing()
    {
        DeviceProcess kedge = Connected(out _);
        Wg.UapiClient[] clients = [.. Enumerable.Range(0, 20).Select(_ => Wg.UapiClient.Connect(kedge.SocketPath))];
        foreach (Wg.UapiClient client in clients)
            client.Send("set=1\nlisten_port=");
        foreach (Wg.UapiClient client in clients)
            client.Dispose();

        AssertIdle(kedge, sleeps: 10);
    }

    private DeviceProcess Connected(out DeviceProcess other)
    {
        other = _hosts.StartOther();
        DeviceProcess kedge = _hosts.StartKedge(other);
        _hosts.AwaitTunnel();
        return kedge;
    }

    /// <summary>
    /// Asserts that the process takes less than a fiftieth of a CPU for three seconds, and its packet threads hardly wake up. Before that
    /// it may finish what it was at.
    /// </summary>
    private static void AssertIdle(DeviceProcess device, int sleeps)
    {
        int id = device.Process.ProcessId;
        TimeSpan busy = ProcessFigures.CpuTime(id);
        long since = Stopwatch.GetTimestamp();
        Wait.Until(
            () =>
            {
                if (ProcessFigures.CpuTime(id) is var now && now != busy)
                    (busy, since) = (now, Stopwatch.GetTimestamp());
                return Stopwatch.GetElapsedTime(since) > TimeSpan.FromMilliseconds(300);
            },
            TwoHosts.Patience, "a moment without work");

        (TimeSpan cpu, long slept) = (ProcessFigures.CpuTime(id), ProcessFigures.Sleeps(id, PacketThreads));
        Assert.True(slept > 0, "There are no packet threads of these names.");
        bool worked = Wait.TryUntil(() => CpuTaken() > Window / 50 || SleepsTaken() > sleeps, Window);
        Assert.False(worked, $"{CpuTaken().TotalMilliseconds} ms on a CPU and {SleepsTaken()} sleeps within {Window.TotalSeconds} s");
        Assert.False(device.Process.HasExited);

        TimeSpan CpuTaken() => ProcessFigures.CpuTime(id) - cpu;
        long SleepsTaken() => ProcessFigures.Sleeps(id, PacketThreads) - slept;
    }
}
