using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>Addresses and ports that change while packets flow.</summary>
public abstract class RoamingTests(bool overIPv6)
{
    private readonly string _kedgesNew = overIPv6 ? "2001:db8::11" : "192.0.2.11";
    private readonly string _othersNew = overIPv6 ? "2001:db8::22" : "192.0.2.22";
    private readonly string _length = overIPv6 ? "64" : "24";

    [Fact]
    public void Kedge_follows_a_peer_to_another_address_and_port()
    {
        using var tunnel = Tunnel.Start(Implementation.WireGuardGo, overIPv6);
        using PingStream pings = Start(tunnel);

        Move(tunnel.Other, _othersNew);
        // Over IPv4, wireguard-go keeps to its own address when that is gone, unless it is told anew where the peer is.
        tunnel.Other.Device.Set("peer", tunnel.Kedge.Device.Keys.PublicKey, "endpoint", tunnel.Kedge.Endpoint);
        pings.WaitForReplies(Timeouts.Soon);
        Assert.Equal(TunnelEnd.EndpointOf(_othersNew, TunnelEnd.Port), tunnel.Kedge.Peer.Endpoint);

        tunnel.Other.Device.Set("listen-port", "51999");
        pings.WaitForReplies(Timeouts.Soon);
        Assert.Equal(TunnelEnd.EndpointOf(_othersNew, 51999), tunnel.Kedge.Peer.Endpoint);
        LittleWasLost(pings);
    }

    [Fact]
    public void A_peer_follows_Kedge_to_another_address_and_port()
    {
        using var tunnel = Tunnel.Start(Implementation.Kedge, overIPv6);
        using PingStream pings = Start(tunnel);

        Move(tunnel.Kedge, _kedgesNew);
        pings.WaitForReplies(Timeouts.Soon);
        Assert.Equal(TunnelEnd.EndpointOf(_kedgesNew, TunnelEnd.Port), tunnel.Other.Peer.Endpoint);

        tunnel.Kedge.Device.Set("listen-port", "51999");
        pings.WaitForReplies(Timeouts.Soon);
        Assert.Equal(TunnelEnd.EndpointOf(_kedgesNew, 51999), tunnel.Other.Peer.Endpoint);
        Assert.Equal(51999, tunnel.Kedge.Device.ListenPort);
        LittleWasLost(pings);
    }

    [Fact]
    public void Kedge_answers_from_the_address_that_it_was_spoken_to_until_that_is_gone()
    {
        using var tunnel = Tunnel.Start(Implementation.WireGuardGo, overIPv6);
        tunnel.Kedge.Host.AddAddress(tunnel.Cable.InterfaceOfA, $"{_kedgesNew}/{_length}");
        // IPv6 would choose the newest address by itself: the one that is spoken to must not be the kernel's choice.
        string kernelsChoice = SourceOf(tunnel.Kedge.Host, tunnel.Other.Underlay);
        string spokenTo = kernelsChoice == _kedgesNew ? tunnel.Kedge.Underlay : _kedgesNew;
        tunnel.Other.Device.Set(
            "peer", tunnel.Kedge.Device.Keys.PublicKey, "endpoint", TunnelEnd.EndpointOf(spokenTo, TunnelEnd.Port));
        using Capture cable = tunnel.CaptureCable();
        using var pings = PingStream.Start(tunnel.Other.Host, tunnel.Kedge.Address);

        pings.WaitForReplies(Timeouts.Soon);
        Assert.Equal(TunnelEnd.EndpointOf(spokenTo, TunnelEnd.Port), tunnel.Other.Peer.Endpoint);
        var others = Protocol.Ip.IpAddress.Parse(tunnel.Other.Underlay);
        Assert.All(cable.Packets.Where(packet => packet.Source != others), packet => Assert.Equal(spokenTo, packet.Source.ToString()));

        tunnel.Kedge.Host.Ip("address", "delete", $"{spokenTo}/{_length}", "dev", tunnel.Cable.InterfaceOfA);
        // The peer still speaks to an address that nobody has; only packets of Kedge's own tell it better.
        using var back = PingStream.Start(tunnel.Kedge.Host, tunnel.Other.Address);
        back.WaitForReplies(Timeouts.Soon);
        pings.WaitForReplies(Timeouts.Soon);
        Assert.Equal(TunnelEnd.EndpointOf(kernelsChoice, TunnelEnd.Port), tunnel.Other.Peer.Endpoint);
    }

    /// <summary>Pings from the initiator: it is the one that moves, and only what it sends shows where it is.</summary>
    private static PingStream Start(Tunnel tunnel)
    {
        var pings = PingStream.Start(tunnel.Initiator.Host, tunnel.Responder.Address, interval: 0.05);
        pings.WaitForReplies(Timeouts.Soon);
        return pings;
    }

    /// <summary>Gives the machine another address and takes the one that it has.</summary>
    private void Move(TunnelEnd end, string address)
    {
        string interfaceName = end.Host.Interfaces[0];
        // Or IPv4 would take all addresses of a network away with the first.
        end.Host.SetSetting("net.ipv4.conf.all.promote_secondaries", "1");
        end.Host.AddAddress(interfaceName, $"{address}/{_length}");
        end.Host.Ip("address", "delete", $"{end.Underlay}/{_length}", "dev", interfaceName);
    }

    private static string SourceOf(Host host, string destination)
    {
        string[] words = host.Ip("route", "get", destination).Output.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words[Array.IndexOf(words, "src") + 1];
    }

    private static void LittleWasLost(PingStream pings)
    {
        // What was under way at each of the two moves.
        Assert.InRange(pings.Lost.Count, 0, 10);
        TestContext.Current.TestOutputHelper?.WriteLine($"{pings.Lost.Count} lost, {pings.Answered.Count} answered");
    }
}

public sealed class RoamingOverIPv4Tests() : RoamingTests(overIPv6: false);

public sealed class RoamingOverIPv6Tests() : RoamingTests(overIPv6: true);
