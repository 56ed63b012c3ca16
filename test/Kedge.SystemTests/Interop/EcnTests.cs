using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>
/// Congestion marks pass the tunnel as RFC 6040 says: the outer header carries what the inner one has, and what the path marks on it
/// arrives inside. wireguard-go knows nothing of it, so what it sends is Not-ECT outside, and what it is marked it ignores.
/// </summary>
public abstract class EcnTests(bool overIPv6)
{
    private const int NotEct = 0, Ect1 = 1, Ect0 = 2, Ce = 3;

    private static readonly string[] Families = ["ip", "ip6"];

    [Fact]
    public void What_the_path_marks_arrives_inside()
    {
        using var tunnel = Tunnel.Start(Implementation.WireGuardGo, overIPv6);
        tunnel.Handshake();
        using Capture inside = Inside(tunnel);

        Send(tunnel.Other, tunnel.Kedge, Ect0);
        Assert.Equal([Ect0], Requests(inside, 1));

        MarkOnTheWayTo(tunnel.Kedge);
        Send(tunnel.Other, tunnel.Kedge, Ect0);
        Send(tunnel.Other, tunnel.Kedge, Ect1);
        Assert.Equal([Ect0, Ce, Ce], Requests(inside, 3));
    }

    [Fact]
    public void A_mark_on_a_packet_that_does_not_speak_ECN_drops_it()
    {
        using var tunnel = Tunnel.Start(Implementation.WireGuardGo, overIPv6);
        tunnel.Handshake();
        MarkOnTheWayTo(tunnel.Kedge);
        using Capture inside = Inside(tunnel);

        Send(tunnel.Other, tunnel.Kedge, NotEct);
        Send(tunnel.Other, tunnel.Kedge, Ect0);
        // They are sent one after the other, so the first is not to come any more.
        Assert.Equal([Ce], Requests(inside, 1));
    }

    [Fact]
    public void What_is_inside_is_shown_outside()
    {
        using var tunnel = Tunnel.Start(Implementation.Kedge, overIPv6);
        tunnel.Handshake();
        using Capture cable = tunnel.CaptureCable();

        foreach (int ecn in new[] { NotEct, Ect1, Ect0, Ce })
            Send(tunnel.Kedge, tunnel.Other, ecn);

        cable.WaitUntil(packets => Outer(packets).Count() == 4, Timeouts.Soon, "four packets of Kedge's");
        Assert.Equal([NotEct, Ect1, Ect0, Ce], Outer(cable.Packets));

        IEnumerable<int> Outer(IEnumerable<CapturedPacket> packets) =>
            packets.Where(packet => packet.IsFrom(tunnel.Kedge) && !packet.IsKeepalive).Select(packet => packet.Ecn);
    }

    /// <summary>Sends one echo request with these ECN bits, the low two of what ping(8) calls quality of service.</summary>
    private static void Send(TunnelEnd from, TunnelEnd to, int ecn) =>
        from.Host.TryRun("ping", "-n", "-c", "1", "-W", "1", "-Q", $"{ecn}", to.Address);

    /// <summary>Marks every datagram as having met congestion, as a router on the way does that is about to drop packets.</summary>
    private static void MarkOnTheWayTo(TunnelEnd end) => end.Host.Run(new Command("nft", "-f", "-")
    {
        Input = string.Concat(Families.Select(family =>
            $$"""
            table {{family}} congested {
                chain marks {
                    type filter hook prerouting priority mangle
                    udp dport {{TunnelEnd.Port}} {{family}} ecn set ce
                }
            }

            """)),
    });

    private static Capture Inside(Tunnel tunnel) =>
        Capture.Start(tunnel.Kedge.Host, tunnel.Kedge.Device.Name, $"icmp[icmptype] == icmp-echo and src {tunnel.Other.Address}");

    private static IEnumerable<int> Requests(Capture inside, int count)
    {
        inside.WaitUntil(packets => packets.Count >= count, Timeouts.Soon, $"{count} echo requests");
        return inside.Packets.Select(packet => packet.Ecn);
    }
}

public sealed class EcnOverIPv4Tests() : EcnTests(overIPv6: false);

public sealed class EcnOverIPv6Tests() : EcnTests(overIPv6: true);
