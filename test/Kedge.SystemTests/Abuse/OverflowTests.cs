using System.Globalization;
using System.Text.Json;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Device;

namespace Kedge.SystemTests.Abuse;

/// <summary>More datagrams than the kernel has room for.</summary>
public class OverflowTests
{
    [Fact]
    public void What_the_receive_queue_has_no_room_for_is_shown_and_the_tunnel_goes_on()
    {
        using var hosts = new TwoHosts();
        DeviceProcess kedge = hosts.StartKedge(hosts.StartOther());
        hosts.AwaitTunnel();
        int port = kedge.ListenPort;
        using UdpPort flooder = hosts.B.Namespace.Run(() =>
        {
            var opened = new UdpPort();
            opened.Open(0);
            return opened;
        });
        var device = new Endpoint(IpAddress.Parse(TwoHosts.OuterA), (ushort)port);
        PacketBuffer[] junk = PacketBuffer.Allocate(64);
        foreach (PacketBuffer buffer in junk)
            (buffer.Length, buffer.Destination) = (1000, device);

        // A process that stands still reads nothing: the queue fills up, however fast the machine is.
        kedge.Process.Signal(ProcessSignal.Stop);
        long dropped = 0;
        for (int sent = 0; sent < 200_000 && dropped < 1000; sent += 10 * junk.Length)
        {
            for (int i = 0; i < 10; i++)
                flooder.Send(junk);
            dropped = KernelDrops(hosts.A, port);
        }
        kedge.Process.Signal(ProcessSignal.Continue);

        Assert.InRange(dropped, 1000, long.MaxValue);
        hosts.AwaitTunnel();
        dropped = KernelDrops(hosts.A, port);
        using JsonDocument status = JsonDocument.Parse(hosts.A.Run(Repository.Program, "status", kedge.Name, "--json").Output);
        Assert.Equal(dropped, status.RootElement.GetProperty("figures").GetProperty("udpReceiveQueueFull").GetInt64());
        Assert.True(status.RootElement.GetProperty("drops").GetProperty("unknownDatagram").GetInt64() > 1000);

        // What was counted stays counted when the socket is another one.
        kedge.Set("listen-port", "0");
        using JsonDocument later = JsonDocument.Parse(hosts.A.Run(Repository.Program, "status", kedge.Name, "--json").Output);
        Assert.Equal(dropped, later.RootElement.GetProperty("figures").GetProperty("udpReceiveQueueFull").GetInt64());
        hosts.AwaitTunnel();
    }

    /// <summary>The last column of /proc/net/udp for the socket of a port.</summary>
    private static long KernelDrops(Host host, int port) => host.Namespace.Run(() =>
        File.ReadAllLines("/proc/thread-self/net/udp")
            .Where(line => line.Contains(string.Create(CultureInfo.InvariantCulture, $":{port:X4} 0000"), StringComparison.Ordinal))
            .Sum(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1], CultureInfo.InvariantCulture)));
}
