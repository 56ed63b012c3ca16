using System.Globalization;
using Kedge.Demo;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.SystemTests.Device;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.KernelSelfTest;

/// <summary>Several tunnels between the same two hosts, each a process at either end, whose datagrams are routed into each other.</summary>
public sealed class TunnelsInTunnelsTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _a, _b;

    public TunnelsInTunnelsTests()
    {
        (_a, _b) = (_net.AddHost("a"), _net.AddHost("b"));
        _net.Connect(_a, _b, ["10.1.0.1/24", "fd01::1/64"], ["10.1.0.2/24", "10.1.0.3/24", "fd01::2/64", "fd01::3/64"]);
    }

    public void Dispose() => _net.Dispose();

    [Theory]
    [InlineData("10.1.0.2", "10.1.0.3", 56, 70_000)] // what the kernel's own test allows
    [InlineData("fd01::2", "fd01::3", 56, 70_000)]
    [InlineData("10.1.0.2", "10.1.0.3", 1300, 300_000)] // in fragments from the second tunnel on
    public void Two_tunnels_that_lead_into_each_other_end_what_goes_round(string endpointOne, string endpointTwo, int payload, long mostBytes)
    {
        Tunnel one = Open(1, endpointOne), two = Open(2, endpointTwo);
        TwoHosts.AwaitTunnel(_a, one.AddressOfB);
        TwoHosts.AwaitTunnel(_a, two.AddressOfB);
        Cross("add");
        InterfaceCounters beforeOne = InterfaceCounters.Read(_a, one.AtA.Name), beforeTwo = InterfaceCounters.Read(_a, two.AtA.Name);

        Assert.False(Ping.Run(_a, one.AddressOfB, count: 10, payload, patience: Ping.Brief).AllReceived);

        AssertFewBytes();
        Wait.Until(() => Loops(one) + Loops(two) >= 10, TwoHosts.Patience, "the ends of ten packets");
        AssertFewBytes();

        Cross("delete");
        TwoHosts.AwaitTunnel(_a, one.AddressOfB);

        void AssertFewBytes()
        {
            InterfaceCounters atOne = InterfaceCounters.Read(_a, one.AtA.Name) - beforeOne, atTwo = InterfaceCounters.Read(_a, two.AtA.Name) - beforeTwo;
            Assert.InRange(atTwo.SentBytes, 1, mostBytes); // it did go round
            Assert.InRange(atOne.SentBytes + atTwo.SentBytes, 1, mostBytes);
        }

        void Cross(string action)
        {
            string length = endpointOne.Contains(':', StringComparison.Ordinal) ? "128" : "32";
            foreach ((Tunnel tunnel, string endpoint, Tunnel other) in new[] { (one, endpointOne, two), (two, endpointTwo, one) })
            {
                _a.Ip("route", action, $"{endpoint}/{length}", "dev", other.AtA.Name);
                // The kernel is asked anew which way to go.
                tunnel.AtA.Set("peer", tunnel.AtB.Keys.PublicKey, "endpoint", tunnel.Endpoint);
            }
        }
    }

    [Theory]
    [InlineData(1420, 1420, 1420)] // each cuts what the one inside of it sends
    [InlineData(1420, 1360, 1300)]
    public void Three_tunnels_inside_each_other_carry_full_packets(params int[] mtus)
    {
        string endpoint = "10.1.0.2";
        for (int i = 0; i < mtus.Length; i++)
        {
            Tunnel tunnel = Open(i + 1, endpoint, mtus[i]);
            endpoint = tunnel.AddressOfB;
            TwoHosts.AwaitTunnel(_a, endpoint);
        }

        Assert.True(Ping.Run(_a, endpoint, count: 5, payloadBytes: mtus[^1] - 28).AllReceived);
        Iperf there = Iperf.Tcp(_a, _b, endpoint, TimeSpan.FromSeconds(1));
        Assert.True(there.BitsPerSecond > 5e6, $"{there}");
        Iperf back = Iperf.Tcp(_b, _a, "192.168.3.1", TimeSpan.FromSeconds(1));
        Assert.True(back.BitsPerSecond > 5e6, $"{back}");
    }

    private static long Loops(Tunnel tunnel)
    {
        using DeviceStatus status = TwoHosts.StatusOf(tunnel.AtA.Name);
        return status.Drops.Single(drop => drop.Name == "RoutingLoop").Value;
    }

    private Tunnel Open(int number, string endpoint, int mtu = 1420)
    {
        string network = string.Create(CultureInfo.InvariantCulture, $"192.168.{number}.");
        DeviceProcess a = DeviceProcess.StartKedge(_a, Repository.Program), b = DeviceProcess.StartKedge(_b, Repository.Program);
        a.SetUp([$"{network}1/24"], mtu);
        b.SetUp([$"{network}2/24"], mtu);
        string whole = endpoint.Contains(':', StringComparison.Ordinal) ? $"[{endpoint}]:{b.ListenPort}" : $"{endpoint}:{b.ListenPort}";
        b.AddPeer(a, ["0.0.0.0/0", "::/0"]);
        a.AddPeer(b, ["0.0.0.0/0", "::/0"], whole);
        return new(a, b, whole, $"{network}2");
    }

    private sealed record Tunnel(DeviceProcess AtA, DeviceProcess AtB, string Endpoint, string AddressOfB);
}
