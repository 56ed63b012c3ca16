using System.Diagnostics;
using System.Globalization;
using Kedge.Demo;
using Kedge.Demo.Nat;
using Kedge.Protocol.Ip;
using Dependence = Kedge.SystemTests.Topologies.NatDependence;

namespace Kedge.SystemTests.Topologies;

/// <summary>That each kind of gateway does what it is called after, as plain sockets see it; Kedge is not asked.</summary>
public sealed class NatTests(NatLab lab) : IClassFixture<NatLab>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Brief = TimeSpan.FromMilliseconds(300); // for what must not come, behind what has come

    private static int s_last;

    [Theory]
    [InlineData(NatKind.FullCone, Dependence.EndpointIndependent, Dependence.EndpointIndependent)]
    [InlineData(NatKind.AddressRestricted, Dependence.EndpointIndependent, Dependence.AddressDependent)]
    [InlineData(NatKind.PortRestricted, Dependence.EndpointIndependent, Dependence.AddressAndPortDependent)]
    [InlineData(NatKind.PortRestrictedRemapping, Dependence.EndpointIndependent, Dependence.AddressAndPortDependent)]
    [InlineData(NatKind.SymmetricRandom, Dependence.AddressAndPortDependent, Dependence.AddressAndPortDependent)]
    [InlineData(NatKind.SymmetricSequential, Dependence.AddressAndPortDependent, Dependence.AddressAndPortDependent)]
    public void A_kind_maps_and_filters_as_its_name_says(NatKind kind, NatDependence mapping, NatDependence filtering)
    {
        Gateway gateway = Add(new() { Kind = kind });

        NatProbe probe = NatProbe.Run(AddHost(gateway), lab.Server);

        Assert.Equal((mapping, filtering), (probe.Mapping, probe.Filtering));
        Assert.All(probe.Seen, seen => Assert.StartsWith($"{gateway.Address}:", seen, StringComparison.Ordinal));
        int[] ports = [.. probe.Seen.Select(PortOf)];
        switch (kind)
        {
            case NatKind.PortRestrictedRemapping:
                Assert.All(ports, port => Assert.InRange(port, 2000, 9999));
                break;
            case NatKind.SymmetricSequential:
                Assert.Equal(Enumerable.Range(ports[0], ports.Length), ports);
                break;
            case NatKind.SymmetricRandom:
                Assert.Equal(ports.Length, ports.Distinct().Count());
                break;
            default:
                Assert.All(ports, port => Assert.Equal(probe.LocalPort, port));
                break;
        }
    }

    [Theory]
    [InlineData(NatKind.FullCone, NatKind.AddressRestricted, Dependence.EndpointIndependent, Dependence.AddressDependent)]
    [InlineData(NatKind.PortRestricted, NatKind.FullCone, Dependence.EndpointIndependent, Dependence.AddressAndPortDependent)]
    [InlineData(NatKind.FullCone, NatKind.SymmetricRandom, Dependence.AddressAndPortDependent, Dependence.AddressAndPortDependent)]
    public void Two_in_a_row_are_as_strict_as_the_stricter_one(
        NatKind home, NatKind carrier, NatDependence mapping, NatDependence filtering)
    {
        Gateway cgn = Add(new() { Kind = carrier });
        Gateway gateway = cgn.AddGateway(NewLabel(), new() { Kind = home });
        Assert.StartsWith("100.65.", gateway.Address, StringComparison.Ordinal);

        NatProbe probe = NatProbe.Run(AddHost(gateway), lab.Server);

        Assert.Equal((mapping, filtering), (probe.Mapping, probe.Filtering));
        Assert.All(probe.Seen, seen => Assert.StartsWith($"{cgn.Address}:", seen, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(NatKind.FullCone, true)]
    [InlineData(NatKind.PortRestricted, true)]
    [InlineData(NatKind.FullCone, false)]
    public void Two_homes_of_a_carrier_reach_each_others_mapped_endpoints_only_where_it_hairpins(NatKind kind, bool hairpins)
    {
        Gateway cgn = Add(new() { Kind = kind, Hairpins = hairpins });
        using var one = new NatProbeSocket(AddHost(cgn.AddGateway(NewLabel())), lab.Server);
        using var other = new NatProbeSocket(AddHost(cgn.AddGateway(NewLabel())), lab.Server);
        Endpoint oneOutside = Endpoint.Parse(one.Seen(0)), otherOutside = Endpoint.Parse(other.Seen(0));

        // Homes filter too: the first packet of one of them opens its own filter.
        one.Send(otherOutside);
        other.Send(oneOutside);
        one.Send(otherOutside);

        Assert.Equal(hairpins ? otherOutside : (Endpoint?)null, one.Stranger(hairpins ? Patience : Brief));
        Assert.Equal(hairpins ? oneOutside : (Endpoint?)null, other.Stranger(hairpins ? Patience : Brief));
    }

    [Fact]
    public void Two_homes_that_want_one_port_of_their_carrier_get_two_and_meet_at_them()
    {
        Gateway cgn = Add(new() { Kind = NatKind.FullCone, Hairpins = true });
        using var one = new NatProbeSocket(AddHost(cgn.AddGateway(NewLabel())), lab.Server, port: 5000);
        using var other = new NatProbeSocket(AddHost(cgn.AddGateway(NewLabel())), lab.Server, port: 5000);
        Endpoint oneOutside = Endpoint.Parse(one.Seen(0)), otherOutside = Endpoint.Parse(other.Seen(0));
        Assert.Equal(5000, oneOutside.Port);
        Assert.NotEqual(oneOutside, otherOutside);

        other.Send(oneOutside);
        one.Send(otherOutside);
        other.Send(oneOutside);

        Assert.Equal(otherOutside, one.Stranger(Patience));
        Assert.Equal(oneOutside, other.Stranger(Patience));
    }

    [Fact]
    public void A_socket_whose_first_packet_goes_to_another_home_of_the_carrier_has_a_mapping_by_it()
    {
        Gateway cgn = Add(new() { Kind = NatKind.FullCone, Hairpins = true });
        using var one = new NatProbeSocket(AddHost(cgn.AddGateway(NewLabel())), lab.Server);
        using var other = new NatProbeSocket(AddHost(cgn.AddGateway(NewLabel())), lab.Server);
        Endpoint oneOutside = Endpoint.Parse(one.Seen(0));

        other.Send(oneOutside);
        Endpoint otherOutside = Endpoint.Parse(other.Seen(0));
        one.Send(otherOutside);
        other.Send(oneOutside);

        Assert.Equal(otherOutside, one.Stranger(Patience));
        Assert.Equal(oneOutside, other.Stranger(Patience));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Where_the_gateway_takes_what_comes_too_early_the_machine_inside_gets_another_port(bool accepts)
    {
        Gateway gateway = Add(new() { AcceptsInInput = accepts });
        using var socket = new NatProbeSocket(AddHost(gateway), lab.Server);
        var early = new Endpoint(IpAddress.Parse(gateway.Address), (ushort)socket.Port);
        Assert.Equal(early.ToString(), socket.Seen(0));

        lab.Server.Send(from: 3, early);
        socket.Seen(1); // what was sent before has arrived by now

        Assert.Equal(accepts, socket.Seen(3) != early.ToString());
    }

    [Fact]
    public void A_gateway_that_maps_ports_lets_everybody_in_at_a_mapped_one()
    {
        Gateway gateway = Add(new() { Kind = NatKind.SymmetricRandom, MapsPorts = true });
        Host host = AddHost(gateway);
        using var socket = new NatProbeSocket(host, lab.Server);
        socket.Seen(0);
        var mapped = new Endpoint(IpAddress.Parse(gateway.Address), 41000);
        lab.Server.Send(from: 2, mapped);
        socket.Seen(1);
        Assert.False(socket.Answers.ContainsKey(2));

        // NAT-PMP (RFC 6886): map UDP, our port, port 41000 outside, for 60 s.
        string request = $"\\x00\\x01\\x00\\x00\\x{socket.Port >> 8:x2}\\x{socket.Port & 255:x2}\\xa0\\x28\\x00\\x00\\x00\\x3c";
        host.Run("bash", "-c", $"exec 3<>/dev/udp/192.168.1.1/5351; printf '{request}' >&3; timeout 5 head -c 16 <&3 >/dev/null");
        lab.Server.Send(from: 2, mapped);

        Wait.Until(() => socket.Answers.ContainsKey(2), Patience, "a stranger's packet at the mapped port");
    }

    [Fact]
    public void Where_UDP_is_blocked_nothing_passes_but_TCP_to_port_443()
    {
        Gateway gateway = Add(new() { BlocksUdp = true });
        Host host = AddHost(gateway);
        foreach (string port in (string[])["443", "444"])
            lab.ServerHost.Start("iperf3", "-s", "-p", port, "--forceflush").WaitForLine("Server listening", Patience);
        using var socket = new NatProbeSocket(host, lab.Server);

        socket.Ask(0, 0);

        Assert.True(Connects("443", patience: "10"));
        Assert.False(Connects("444", patience: "1"));
        Assert.Empty(socket.Answers);

        bool Connects(string port, string patience) =>
            host.TryRun("timeout", patience, "bash", "-c", $"exec 3<>/dev/tcp/192.0.2.10/{port}").Succeeded;
    }

    [Fact]
    public void With_IPv6_a_machine_has_a_public_address_behind_a_firewall()
    {
        Gateway gateway = Add(new() { HasIpv4 = false, HasIpv6 = true, Hops = 1 });
        Host host = AddHost(gateway);

        NatProbe probe = NatProbe.Run(host, lab.ServerOfIpv6);

        Assert.Equal((Dependence.EndpointIndependent, Dependence.AddressAndPortDependent), (probe.Mapping, probe.Filtering));
        string address = probe.Seen[0][1..probe.Seen[0].IndexOf(']', StringComparison.Ordinal)];
        Assert.Contains($" {address}/64 ", host.Ip("-6", "address").Output, StringComparison.Ordinal);
        Assert.Equal(probe.LocalPort, PortOf(probe.Seen[0]));
        Assert.False(host.TryRun("ping", "-c", "1", "-W", "1", "192.0.2.10").Succeeded);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void So_many_routers_are_between_a_gateway_and_the_internet(int hops)
    {
        Host host = AddHost(Add(new() { Hops = hops }));

        // The gateway, those on the line, and the one that is the internet.
        Assert.False(Reaches(ttl: hops + 2, patience: "1"));
        Assert.True(Reaches(ttl: hops + 3, patience: "10"));

        bool Reaches(int ttl, string patience) =>
            host.TryRun("ping", "-n", "-c", "1", "-W", patience, "-t", ttl.ToString(CultureInfo.InvariantCulture), "192.0.2.10").Succeeded;
    }

    [Fact]
    public void A_mapping_that_nothing_has_used_for_its_time_is_gone()
    {
        Gateway gateway = Add(new() { UdpTimeout = TimeSpan.FromSeconds(2) });
        using var socket = new NatProbeSocket(AddHost(gateway), lab.Server);
        Endpoint outside = Endpoint.Parse(socket.Seen(0));
        socket.Ask(1, 0); // so that 1 has been sent to, and has not answered
        socket.Ask(2, 0);
        lab.Server.Send(from: 1, outside);
        Wait.Until(() => socket.Answers.ContainsKey(1), Patience, "a packet through the mapping");

        long start = Stopwatch.GetTimestamp();
        Wait.Until(() => Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(3.5), Patience, "the time-out of the NAT");
        lab.Server.Send(from: 2, outside);
        socket.Seen(3);

        Assert.False(socket.Answers.ContainsKey(2));
    }

    [Theory]
    [InlineData(NatKind.PortRestricted, true)]
    [InlineData(NatKind.PortRestricted, false)]
    [InlineData(NatKind.FullCone, false)]
    public void After_a_reboot_the_old_mapping_is_gone_and_the_next_has_the_same_port_or_not(NatKind kind, bool keepsPorts)
    {
        Gateway gateway = Add(new() { Kind = kind });
        using var socket = new NatProbeSocket(AddHost(gateway), lab.Server);
        Endpoint before = Endpoint.Parse(socket.Seen(0));
        socket.Ask(1);

        gateway.Reboot(keepsPorts);

        lab.Server.Send(from: 1, before);
        string after = socket.Seen(2);
        Assert.False(socket.Answers.ContainsKey(1));
        Assert.Equal(keepsPorts, after == before.ToString());
        Assert.Equal(after, socket.Seen(3));
    }

    [Fact]
    public void Another_address_outside_another_network_inside_and_a_line_that_was_cut_are_what_they_say()
    {
        Gateway gateway = Add(new()), other = Add(new());
        Host host = AddHost(gateway);
        using var socket = new NatProbeSocket(host, lab.Server);
        string before = socket.Seen(0);

        gateway.ChangeAddress();
        Assert.Equal($"{gateway.Address}:{socket.Port}", socket.Seen(1));
        Assert.NotEqual(before, socket.Seen(1));

        gateway.SetLine(isUp: false);
        Assert.False(Ping.Run(host, "192.0.2.10", count: 1, patience: Ping.Brief).AllReceived);
        gateway.SetLine(isUp: true);
        Assert.True(Ping.Run(host, "192.0.2.10", count: 1).AllReceived);

        other.Attach(host, metric: 2); // not used while there is a better one
        Assert.StartsWith($"{gateway.Address}:", socket.Seen(2), StringComparison.Ordinal);
        gateway.Detach(host);
        Assert.StartsWith($"{other.Address}:", socket.Seen(3), StringComparison.Ordinal);
    }

    private static int PortOf(string endpoint) => Endpoint.Parse(endpoint).Port;

    private static string NewLabel() => string.Create(CultureInfo.InvariantCulture, $"g{Interlocked.Increment(ref s_last)}");

    private Gateway Add(GatewaySettings settings) => lab.Internet.AddGateway(NewLabel(), settings);

    private static Host AddHost(Gateway gateway) => gateway.AddHost($"{gateway.Router}-inside");
}
