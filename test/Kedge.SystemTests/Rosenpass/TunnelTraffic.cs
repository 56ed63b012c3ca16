using Kedge.Demo;
using Kedge.Node.Uapi;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>
/// 50 Mbit/s of UDP through a <see cref="Tunnel"/> between two devices of Kedge, neither of which may drop a packet. On a busy machine the
/// kernel's queues between them may lose some all the same.
/// </summary>
internal sealed class TunnelTraffic
{
    private const string QueueLength = "10000";

    // Of handshakes, not of packets: while the ends have different keys they agree on no session, and go on with the last.
    private static readonly string[] OfHandshakes = [nameof(DropReason.HandshakeNotAuthentic), nameof(DropReason.InitiationTooSoon)];

    private readonly TunnelEnd[] _ends;
    private readonly long[] _drops;
    private readonly Task<Iperf> _running;

    private TunnelTraffic(Tunnel tunnel, TimeSpan duration)
    {
        (TunnelEnd from, TunnelEnd to) = (tunnel.Other, tunnel.Kedge);
        _ends = [from, to];
        foreach (TunnelEnd end in _ends)
            end.Host.Ip("link", "set", end.Device.Name, "txqueuelen", QueueLength);
        _drops = [.. _ends.Select(Drops)];
        _running = Task.Run(() => Iperf.Udp(from.Host, to.Host, to.Address, duration, 50_000_000, 1200));
    }

    /// <summary>Begins to send, to Kedge's end; there is a session.</summary>
    public static TunnelTraffic Start(Tunnel tunnel, TimeSpan duration) => new(tunnel, duration);

    /// <summary>Waits for the end, and asserts that neither device has dropped a packet, and the kernel has lost few.</summary>
    public async Task AssertNothingDroppedAsync()
    {
        Iperf traffic = await _running;
        TestContext.Current.TestOutputHelper?.WriteLine($"{traffic.LostPackets} of {traffic.Packets} packets lost");
        Assert.Equal(_drops, _ends.Select(Drops));
        Assert.InRange(traffic.LostPackets, 0, traffic.Packets / 10);
    }

    private static long Drops(TunnelEnd end)
    {
        using DeviceStatus status = UapiClient.GetStatus(UapiSocket.DefaultDirectory, end.Device.Name);
        return status.Drops.Where(drop => !OfHandshakes.Contains(drop.Name)).Sum(drop => drop.Value);
    }
}
