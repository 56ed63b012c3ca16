using Kedge.Demo;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.SystemTests.Device;

/// <summary>A kernel that grants an offload and then refuses what it allows.</summary>
public sealed class RefusedOffloadTests(TwoHosts hosts) : IClassFixture<TwoHosts>
{
    [Fact]
    public void Packets_that_the_interface_refuses_joined_are_written_one_by_one()
    {
        string refuse = Path.Combine(hosts.Programs, "refuse-long-writes");
        hosts.A.Run("gcc", "-o", refuse, Repository.PathOf("test/Kedge.SystemTests/Device/refuse-long-writes.c"));
        DeviceProcess other = hosts.StartOther();
        DeviceProcess kedge = hosts.StartKedge(other, hosts.Behind($"exec '{refuse}' '{Repository.Program}' \"$@\""));
        hosts.AwaitTunnel();
        Assert.Equal(1, Gauge(kedge, "OffloadTunWrite"));
        using RunningProcess server = hosts.A.Start("iperf3", "-s", "-1", "--forceflush", "-B", TwoHosts.InnerA);
        server.WaitForLine("listening", TwoHosts.Patience);

        hosts.B.Run("iperf3", "-c", TwoHosts.InnerA, "-n", "20M");

        Assert.Equal(0, server.WaitForExit(TwoHosts.Patience).ExitCode);
        Assert.Equal((0, 0), (Gauge(kedge, "OffloadTunWrite"), Gauge(kedge, "TunWriteRefused")));
    }

    private static long Gauge(DeviceProcess device, string name)
    {
        using DeviceStatus status = TwoHosts.StatusOf(device.Name);
        return status.Gauges.Single(gauge => gauge.Name == name).Value;
    }
}
