using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>
/// Handshakes while one end is flooded with initiations that look honest. The end under load answers with cookies and does nothing for
/// anybody who does not show one (WireGuard paper, section 5.3).
/// </summary>
public sealed class CookieTests
{
    private const int Attempts = 5;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    [Fact]
    public void A_new_peer_reaches_Kedge_through_the_flood_and_an_old_one_notices_nothing()
    {
        using Hub hub = Hub.Start(spokes: 2);
        TunnelEnd kedge = hub.Kedge, old = hub.Spokes[0], newcomer = hub.Spokes[1];
        hub.Join(old);
        using var pings = PingStream.Start(old.Host, kedge.Address);
        pings.WaitForReplies(Timeouts.Soon);

        using InitiationFlood flood = Flood(hub, kedge, burst: 1000);
        ComesInByCookie(from: newcomer, to: kedge, flood, join: () => hub.Join(newcomer));

        pings.WaitForReplies(Timeouts.Soon);
        Ping seen = pings.Stop();
        Assert.InRange(seen.Received, seen.Sent - 1, seen.Sent);
    }

    [Fact]
    public void Kedge_reaches_a_new_peer_through_the_flood_that_this_one_is_under()
    {
        using Hub hub = Hub.Start(spokes: 1);
        TunnelEnd kedge = hub.Kedge, other = hub.Spokes[0];

        using InitiationFlood flood = Flood(hub, other, burst: 500);
        ComesInByCookie(from: kedge, to: other, flood, join: () =>
        {
            other.Meet(kedge, knowsEndpoint: false);
            kedge.Meet(other, knowsEndpoint: true);
        });
    }

    private static InitiationFlood Flood(Hub hub, TunnelEnd victim, int burst)
    {
        Host flooder = hub.Net.AddHost("flooder");
        hub.Cables.Attach(flooder, ["192.0.2.200/24"]);
        victim.Host.AddRoute(InitiationFlood.Sources, "192.0.2.200");
        var flood = InitiationFlood.Start(flooder, victim, burst, Pause);
        Wait.Until(() => flood.CookieReplies > 1000, Timeouts.Soon, "a victim under load");
        return flood;
    }

    private static void ComesInByCookie(TunnelEnd from, TunnelEnd to, InitiationFlood flood, Action join)
    {
        using Capture cable = Capture.Start(from.Host, from.Host.Interfaces[0], "udp");
        join();
        using var pings = PingStream.Start(from.Host, to.Address);
        TimeSpan taken = pings.WaitForReplies(Timeouts.NoAnswer);
        List<CapturedPacket> seen = HandshakeOf(from, cable.Packets);
        // The victim is not under load for the moment that it takes to notice that it is, once a second or so; who comes just then needs no
        // cookie.
        for (int attempt = 1; attempt <= Attempts && seen.All(packet => packet.MessageType != 3); attempt++)
        {
            int before = cable.Packets.Count;
            from.EndSessions();
            cable.WaitUntil(packets => packets.Skip(before).Any(packet => packet.MessageType == 1), Timeouts.Soon, "another initiation");
            taken = pings.WaitForReplies(Timeouts.NoAnswer);
            seen = HandshakeOf(from, [.. cable.Packets.Skip(before)]);
        }
        long cookieReplies = flood.CookieReplies;
        Wait.Until(() => flood.CookieReplies > cookieReplies, Timeouts.Soon, "the flood going on");

        // An initiation without a cookie, the cookie, and 5 s later an initiation that shows it.
        Assert.Contains(seen, packet => packet.MessageType == 3 && packet.IsFrom(to));
        Assert.False(seen.First(packet => packet.MessageType == 1).HasMac2);
        Assert.True(seen.Last(packet => packet.MessageType == 1).HasMac2);
        Assert.Equal(2, seen[^1].MessageType);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{from} came in to {to} after {taken.TotalSeconds:0.0} s, by {seen.Count(packet => packet.MessageType == 1)} initiations, "
            + $"while {flood.Sent} initiations were sent and {flood.CookieReplies} cookies came back");
    }

    /// <summary>The handshake messages from the first initiation on until the initiator has a session to send with.</summary>
    private static List<CapturedPacket> HandshakeOf(TunnelEnd initiator, IEnumerable<CapturedPacket> packets) =>
    [
        .. packets
            .SkipWhile(packet => packet.MessageType != 1)
            .TakeWhile(packet => packet.MessageType != 4 || !packet.IsFrom(initiator))
            .Where(packet => packet.MessageType != 4),
    ];
}
