using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>An address that is moved from one peer to another, there and back, while packets flow.</summary>
public sealed class AllowedIpsTests
{
    private const string Shared = "10.77.1.1";
    private const int Moves = 6, PacketsBetweenMoves = 25;
    private const double Interval = 0.004;

    [Fact]
    public void Each_packet_goes_to_the_peer_whose_address_it_is_then()
    {
        using Hub hub = Start();
        TunnelEnd[] owners = [.. hub.Spokes];
        Capture[] captures = [.. owners.Select(owner => Capture.Start(owner.Host, owner.Device.Name, $"icmp[icmptype] == icmp-echo and dst {Shared}"))];

        Move(hub, to: owners[0]);
        using var pings = PingStream.Start(hub.Kedge.Host, Shared, Interval);
        for (int move = 1; move <= Moves; move++)
        {
            Capture before = captures[(move + 1) % 2], after = captures[move % 2];
            WaitForMore(before);
            Move(hub, to: owners[move % 2]);
            WaitForMore(after);
        }
        Ping seen = pings.Stop();

        // Numbered by ping: each request at one of the two and at no other, and the owner changes as often as the address was moved.
        var arrivals = captures.SelectMany((capture, owner) => capture.Packets.Select(packet => (packet.EchoSequence, Owner: owner))).Order().ToList();
        Assert.Equal(arrivals.Count, arrivals.DistinctBy(arrival => arrival.EchoSequence).Count());
        Assert.Equal(Moves, Changes(arrivals.Select(arrival => arrival.Owner)));
        Assert.Equal(seen.Sent, arrivals.Count);
        // An answer that is under way when the address is moved comes from a peer that may no longer speak for it.
        Assert.InRange(seen.Received, seen.Sent - Moves - 1, seen.Sent);
    }

    [Fact]
    public void A_peer_speaks_for_the_address_only_while_it_has_it()
    {
        using Hub hub = Start();
        TunnelEnd[] owners = [.. hub.Spokes];
        using Capture arrivals = Capture.Start(hub.Kedge.Host, hub.Kedge.Device.Name, $"icmp[icmptype] == icmp-echo and src {Shared}");

        // Both claim it all the time; the length tells who has sent what.
        int[] payloads = [100, 200];
        Move(hub, to: owners[0]);
        using var first = PingStream.Start(owners[0].Host, hub.Kedge.Address, Interval, Shared, payloads[0]);
        using var second = PingStream.Start(owners[1].Host, hub.Kedge.Address, Interval, Shared, payloads[1]);
        for (int move = 1; move <= Moves; move++)
        {
            WaitForMore(arrivals);
            Move(hub, to: owners[move % 2]);
            WaitForMore(arrivals);
        }

        var owner = arrivals.Packets.Select(packet => Array.IndexOf(payloads, packet.Transport.Length - 8)).ToList();
        Assert.Equal([0, 1], owner.Distinct().Order());
        Assert.Equal(Moves, Changes(owner));
    }

    private static Hub Start()
    {
        Hub hub = Hub.Start(spokes: 2);
        hub.Kedge.Host.Ip("route", "add", $"{Shared}/32", "dev", hub.Kedge.Device.Name);
        foreach (TunnelEnd spoke in hub.Spokes)
        {
            hub.Join(spoke);
            spoke.Host.AddAddress(spoke.Device.Name, $"{Shared}/32");
            Assert.True(Ping.Run(spoke.Host, hub.Kedge.Address, count: 1).AllReceived);
        }
        return hub;
    }

    /// <summary>Gives the shared address to a peer, which takes it from the other.</summary>
    private static void Move(Hub hub, TunnelEnd to) =>
        hub.Kedge.Device.Set("peer", to.Device.Keys.PublicKey, "allowed-ips", $"{to.Address}/32,{to.Address6}/128,{Shared}/32");

    private static void WaitForMore(Capture capture)
    {
        int before = capture.Packets.Count;
        capture.WaitUntil(packets => packets.Count >= before + PacketsBetweenMoves, Timeouts.Soon, $"{PacketsBetweenMoves} packets");
    }

    private static int Changes(IEnumerable<int> owners) => owners.Zip(owners.Skip(1)).Count(pair => pair.First != pair.Second);
}
