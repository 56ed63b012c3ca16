using Kedge.Demo;

namespace Kedge.SystemTests.Topologies;

/// <summary>That a wire is as slow and as bad as it was asked to be, as ping(8) and iperf3 see it.</summary>
public sealed class WireTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _a, _b;

    public WireTests() => (_a, _b) = (_net.AddHost("a"), _net.AddHost("b"));

    public void Dispose() => _net.Dispose();

    [Fact]
    public void A_round_trip_takes_the_delay_twice()
    {
        Connect(new WireQuality { Delay = TimeSpan.FromMilliseconds(10) });

        Ping ipv4 = Ping.Run(_a, "10.1.0.2", count: 50, interval: TimeSpan.FromMilliseconds(20));
        Ping ipv6 = Ping.Run(_b, "fd01::1", count: 50, interval: TimeSpan.FromMilliseconds(20));

        foreach (Ping ping in new[] { ipv4, ipv6 })
        {
            Assert.True(ping.AllReceived);
            // The shortest of all has nothing of what else the machine does.
            Assert.InRange(ping.Quantile(0).TotalMilliseconds, 20, 22);
        }
    }

    [Fact]
    public void Each_direction_loses_its_share()
    {
        Connect(new WireQuality { Loss = 0.05 });

        foreach ((Host from, Host to, string address) in new[] { (_a, _b, "10.1.0.2"), (_b, _a, "10.1.0.1") })
        {
            Iperf seen = Iperf.Udp(from, to, address, TimeSpan.FromSeconds(2), bitsPerSecond: 20_000_000, payloadBytes: 1000);
            // 5,000 at 5 %: five standard deviations are 1.5 %.
            Assert.InRange(seen.Packets, 2500, 6000);
            Assert.InRange(seen.LostPackets / (double)seen.Packets, 0.035, 0.065);
        }
    }

    [Fact]
    public void A_bound_on_the_rate_is_kept_and_used()
    {
        Connect(new WireQuality { BitsPerSecond = 50_000_000 });

        Iperf seen = Iperf.Tcp(_a, _b, "10.1.0.2", TimeSpan.FromSeconds(3));

        // Headers are 52 of 1,500 bytes. iperf3 begins to count when the first has arrived.
        Assert.InRange(seen.BitsPerSecond / 1e6, 35, 49);
    }

    [Fact]
    public void It_carries_packets_as_long_as_its_mtu_and_no_longer()
    {
        Connect(new WireQuality(), mtu: 9000);

        Assert.True(Ping.Run(_a, "10.1.0.2", count: 1, payloadBytes: 9000 - 28, mayFragment: false).AllReceived);
        Assert.False(Ping.Run(_a, "10.1.0.2", count: 1, payloadBytes: 9000 - 27, mayFragment: false).AllReceived);
    }

    [Fact]
    public void When_it_ends_its_interfaces_are_gone_and_the_hosts_stay()
    {
        Wire wire = Connect(new WireQuality());
        Assert.True(Ping.Run(_a, "10.1.0.2", count: 1).AllReceived);

        wire.Dispose();

        Assert.False(_a.TryRun("ip", "link", "show", "dev", wire.Link.InterfaceOfA).Succeeded);
        Assert.False(_b.TryRun("ip", "link", "show", "dev", wire.Link.InterfaceOfB).Succeeded);
        wire.Dispose(); // A second time does nothing.
    }

    [Fact]
    public void An_interface_that_is_deleted_cuts_it_and_it_ends_all_the_same()
    {
        Wire wire = Connect(new WireQuality());

        _b.Ip("link", "delete", wire.Link.InterfaceOfB);

        Assert.False(Ping.Run(_a, "10.1.0.2", count: 1, patience: Ping.Brief).AllReceived);
        wire.Dispose();
    }

    private Wire Connect(WireQuality quality, int mtu = 1500) =>
        _net.ConnectByWire(_a, _b, ["10.1.0.1/24", "fd01::1/64"], ["10.1.0.2/24", "fd01::2/64"], quality, mtu);
}
