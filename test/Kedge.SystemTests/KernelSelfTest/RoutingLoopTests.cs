using Kedge.Demo;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.SystemTests.Device;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.KernelSelfTest;

/// <summary>A route to the peer's endpoint that leads through the tunnel itself.</summary>
public sealed class RoutingLoopTests : IDisposable
{
    private readonly TwoHosts _hosts = new();

    public void Dispose() => _hosts.Dispose();

    [Theory]
    [InlineData(false, 56)]
    [InlineData(true, 56)]
    [InlineData(true, 1300)] // whose datagrams come back in fragments
    public void Nothing_goes_round_and_it_is_told(bool withSession, int payload)
    {
        DeviceProcess other = _hosts.StartOther();
        DeviceProcess device = _hosts.StartKedge(other);
        if (withSession)
            _hosts.AwaitTunnel();
        device.Set("peer", other.Keys.PublicKey, "allowed-ips", $"{TwoHosts.InnerB}/32,{TwoHosts.OuterB}/32");
        // The kernel is asked anew which way to go, as when the address spoken to has been forgotten.
        device.Set("peer", other.Keys.PublicKey, "endpoint", $"{TwoHosts.OuterB}:{other.ListenPort}");
        _hosts.A.Ip("route", "add", $"{TwoHosts.OuterB}/32", "dev", device.Name);
        InterfaceCounters before = InterfaceCounters.Read(_hosts.A, device.Name);

        Assert.False(Ping.Run(_hosts.A, TwoHosts.InnerB, count: 10, payload, patience: Ping.Brief).AllReceived);

        Wait.Until(() => Loops(device) > 0, TwoHosts.Patience, "the loop counted");
        InterfaceCounters sent = InterfaceCounters.Read(_hosts.A, device.Name) - before;
        Assert.InRange(sent.SentBytes + sent.ReceivedBytes, 0, 70_000);
        device.Process.WaitForLine("leads through the tunnel itself", TwoHosts.Patience);

        _hosts.A.Ip("route", "delete", $"{TwoHosts.OuterB}/32", "dev", device.Name);
        _hosts.AwaitTunnel();
    }

    private static long Loops(DeviceProcess device)
    {
        using DeviceStatus status = TwoHosts.StatusOf(device.Name);
        return status.Drops.Single(drop => drop.Name == "RoutingLoop").Value;
    }
}
