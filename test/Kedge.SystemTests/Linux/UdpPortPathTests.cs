using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

/// <summary>
/// Two hosts on a wire:
/// <code>
/// a  eth0 10.1.0.1, fd01::1 ------ eth0 10.1.0.2, 10.1.0.3, fd01::2, fd01::3  b
/// </code>
/// </summary>
public class UdpPortPathTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _a;
    private readonly Host _b;

    public UdpPortPathTests()
    {
        _a = _net.AddHost("a");
        _b = _net.AddHost("b");
        _net.Connect(_a, _b, ["10.1.0.1/24", "fd01::1/64"], ["10.1.0.2/24", "10.1.0.3/24", "fd01::2/64", "fd01::3/64"]);
    }

    /// <summary>Addresses of b and of a; both of b's, so that no test passes by the kernel's own choice.</summary>
    public static TheoryData<string, string> Ends => new()
    {
        { "10.1.0.2", "10.1.0.1" },
        { "10.1.0.3", "10.1.0.1" },
        { "fd01::2", "fd01::1" },
        { "fd01::3", "fd01::1" },
    };

    public void Dispose()
    {
        _net.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public void An_answer_goes_out_from_the_address_that_was_asked(string asked, string from)
    {
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atA = new(a), atB = new(b);

        a.Send([Batch.Datagram(At(asked, b))]);
        Received question = Assert.Single(atB.Take(1));
        PacketBuffer answer = Batch.Datagram(question.Source);
        answer.Source = question.Destination;
        Assert.Equal(1, b.Send([answer]));

        Assert.Equal(At(from, a), question.Source);
        Assert.Equal(At(asked, b), Assert.Single(atA.Take(1)).Source);
        Assert.Equal(question.Destination, answer.Source);
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public void A_source_that_has_left_the_machine_is_forgotten_and_the_datagram_sent_all_the_same(string asked, string from)
    {
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atA = new(a), atB = new(b);
        a.Send([Batch.Datagram(At(asked, b))]);
        Endpoint local = Assert.Single(atB.Take(1)).Destination;
        // Without this setting, IPv4's second address would go with the first one.
        _b.SetSetting("net.ipv4.conf.eth0.promote_secondaries", "1");
        _b.Ip("address", "delete", asked + (local.Address.IsIPv4 ? "/24" : "/64"), "dev", "eth0");
        PacketBuffer[] batch = [.. Enumerable.Range(1, 3).Select(i => Batch.Datagram(At(from, a), i))];
        batch[1].Source = local;

        Assert.Equal(3, b.Send(batch));

        Assert.True(batch[1].Source.IsNone);
        Received[] got = atA.Take(3);
        Assert.Equal([1, 2, 3], got.Select(one => one.Number));
        Assert.All(got, one => Assert.NotEqual(local.Address, one.Source.Address));
        Assert.Equal(default, b.Losses);
    }

    [Theory]
    [InlineData("10.2.0.2/24", "10.1.0.1")]
    [InlineData("fd02::2/64", "fd01::1")]
    public void A_source_interface_that_is_gone_is_forgotten_and_the_datagram_sent_all_the_same(string address, string to)
    {
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atA = new(a);
        _net.Connect(_a, _b, [], [address]);
        Endpoint local = new(AddressOf(address), 0, Index(_b, "eth1"));
        _b.Ip("link", "delete", "eth1");
        PacketBuffer datagram = Batch.Datagram(At(to, a), 1);
        datagram.Source = local;

        Assert.Equal(1, b.Send([datagram]));

        Assert.True(datagram.Source.IsNone);
        Assert.Single(atA.Take(1));
    }

    [Fact]
    public void An_ipv4_answer_leaves_by_the_interface_that_was_asked()
    {
        // The way back to what a asks from is shorter by eth0; a asks by eth1. (For IPv6 the kernel goes by its routes alone.)
        _net.Connect(_a, _b, ["10.5.0.1/24"], ["10.5.0.2/24"]);
        _a.AddAddress("lo", "10.99.0.1/32");
        _b.Ip("route", "add", "10.99.0.1", "via", "10.1.0.1", "metric", "1");
        _b.Ip("route", "add", "10.99.0.1", "via", "10.5.0.1", "metric", "2");
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atA = new(a), atB = new(b);
        PacketBuffer question = Batch.Datagram(At("10.5.0.2", b));
        question.Source = new(IpAddress.Parse("10.99.0.1"), 0);

        Assert.Equal(1, a.Send([question]));
        Received asked = Assert.Single(atB.Take(1));
        PacketBuffer answer = Batch.Datagram(asked.Source, 1), byRoute = Batch.Datagram(asked.Source, 2);
        answer.Source = asked.Destination;
        Assert.Equal(2, b.Send([answer, byRoute]));

        Assert.Equal(At("10.99.0.1", a), asked.Source);
        Assert.Equal(Index(_b, "eth1"), asked.Destination.ScopeId);
        IEnumerable<(int, uint)> cameInBy = atA.Take(2).Select(got => (got.Number, got.Destination.ScopeId)).Order();
        Assert.Equal([(1, Index(_a, "eth1")), (2, Index(_a, "eth0"))], cameInBy);
    }

    [Theory]
    [InlineData("eth0")]
    [InlineData("eth1")]
    public void Link_local_ends_carry_their_interface(string link)
    {
        _net.Connect(_a, _b, ["10.5.0.1/24"], ["10.5.0.2/24"]);
        IpAddress atLinkOfA = LinkLocal(_a, link), atLinkOfB = LinkLocal(_b, link);
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atA = new(a), atB = new(b);

        Assert.Equal(1, a.Send([Batch.Datagram(new(atLinkOfB, (ushort)b.Port, Index(_a, link)))]));
        Received question = Assert.Single(atB.Take(1));
        PacketBuffer answer = Batch.Datagram(question.Source);
        answer.Source = question.Destination;
        Assert.Equal(1, b.Send([answer]));

        Assert.Equal(new(atLinkOfA, (ushort)a.Port, Index(_b, link)), question.Source);
        Assert.Equal(new(atLinkOfB, (ushort)b.Port, Index(_b, link)), question.Destination);
        Assert.Equal(new(atLinkOfB, (ushort)b.Port, Index(_a, link)), Assert.Single(atA.Take(1)).Source);
    }

    [Fact]
    public void Datagrams_that_cannot_be_sent_do_not_hold_up_the_others()
    {
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atB = new(b);
        _a.Run(new Command("nft", "-f", "-")
        {
            Input = "table inet t { chain o { type filter hook output priority 0; udp dport 7 drop; }; }\n",
        });
        Endpoint ipv4 = At("10.1.0.2", b), ipv6 = At("fd01::2", b);
        PacketBuffer[] batch =
        [
            Batch.Datagram(new(IpAddress.Parse("192.0.2.1"), 9)), // no route
            Batch.Datagram(ipv4, 1),
            Batch.Datagram(ipv4 with { Port = 0 }),
            Batch.Datagram(ipv4, 2),
            Batch.Datagram(ipv4 with { Port = 7 }), // forbidden
            Batch.Datagram(ipv4, length: 65508),
            Batch.Datagram(ipv6, 3),
            Batch.Datagram(new(IpAddress.Parse("2001:db8::1"), 9)), // no route
            Batch.Datagram(ipv6 with { Port = 7 }), // forbidden
            Batch.Datagram(ipv6, length: 65535),
            Batch.Datagram(ipv6, 4),
            Batch.Datagram(ipv4, 5),
        ];

        Assert.Equal(5, a.Send(batch));

        Assert.Equal([1, 2, 3, 4, 5], atB.Take(5).Select(got => got.Number).Order());
        Assert.Equal(new UdpLosses { Unreachable = 2, Refused = 1, Forbidden = 2, TooLong = 2 }, a.Losses);
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public void Datagrams_longer_than_the_path_are_fragmented(string to, string from)
    {
        Assert.NotEqual(to, from);
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atB = new(b);
        int[] lengths = [1472, 1473, 9032, 65032];

        Assert.Equal(lengths.Length, a.Send([.. lengths.Select(length => Batch.Datagram(At(to, b), length, length))]));

        Received[] got = atB.Take(lengths.Length);
        Assert.Equal(lengths, got.Select(one => one.Bytes.Length));
        Assert.All(got, one => Assert.Equal(Batch.Datagram(default, one.Bytes.Length, one.Bytes.Length).Packet.ToArray(), one.Bytes));
    }

    [Fact]
    public void A_router_on_the_way_may_fragment_ipv4()
    {
        Host router = _net.AddHost("router"), far = _net.AddHost("far");
        _net.Connect(_a, router, ["10.3.0.2/24"], ["10.3.0.1/24"]);
        _net.Connect(router, far, ["10.4.0.1/24"], ["10.4.0.2/24"], mtu: 1280);
        router.EnableForwarding();
        _a.AddRoute("10.4.0.0/24", "10.3.0.1");
        far.AddRoute("default", "10.4.0.1");
        using UdpPort a = Opened(_a), b = Opened(far);
        using Receiver atB = new(b);

        // The first one already: nothing is lost to find out the path's MTU.
        Assert.Equal(1, a.Send([Batch.Datagram(At("10.4.0.2", b), 1, 1472)]));

        Assert.Equal(1472, Assert.Single(atB.Take(1)).Bytes.Length);
    }

    [Fact]
    public void The_path_mtu_that_an_ipv6_router_reports_is_kept_to()
    {
        Host router = _net.AddHost("router"), far = _net.AddHost("far");
        _net.Connect(_a, router, ["fd03::2/64"], ["fd03::1/64"]);
        _net.Connect(router, far, ["fd04::1/64"], ["fd04::2/64"], mtu: 1280);
        router.EnableForwarding();
        _a.AddRoute("fd04::/64", "fd03::1");
        far.AddRoute("default", "fd04::1");
        using UdpPort a = Opened(_a), b = Opened(far);
        using Receiver atB = new(b);

        // Only the sender may fragment IPv6 (RFC 8200 section 5): the first datagram is lost, and the router says why.
        Wait.Until(() => a.Send([Batch.Datagram(At("fd04::2", b), 1, 1452)]) == 1 && atB.All.Length > 0, Receiver.Patience, "a datagram");

        Assert.Equal(1452, atB.All[0].Bytes.Length);
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public void The_mark_takes_the_route_that_the_rules_have_for_it(string to, string from)
    {
        string family = to.Contains(':', StringComparison.Ordinal) ? "-6" : "-4";
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atB = new(b);
        _a.Ip(family, "rule", "add", "fwmark", "51820", "lookup", "100", "priority", "10");
        _a.Ip(family, "route", "add", "unreachable", "default", "table", "100");

        Assert.Equal(1, a.Send([Batch.Datagram(At(to, b), 1)]));
        a.SetMark(51820);
        Assert.Equal(0, a.Send([Batch.Datagram(At(to, b), 2)]));
        _a.Namespace.Run(() => a.Open(0, mark: 51820));
        Assert.Equal(0, a.Send([Batch.Datagram(At(to, b), 3)]));
        a.Open((ushort)a.Port, mark: 0);
        Assert.Equal(1, a.Send([Batch.Datagram(At(to, b), 4)]));

        Assert.Equal([1, 4], atB.Take(2).Select(got => got.Number));
        Assert.Equal(new UdpLosses { Unreachable = 2 }, a.Losses);
        Assert.Equal(At(from, a), atB.All[^1].Source);
    }

    private static UdpPort Opened(Host host) => host.Namespace.Run(() =>
    {
        var port = new UdpPort();
        port.Open(0);
        return port;
    });

    private static Endpoint At(string address, UdpPort port) => new(IpAddress.Parse(address), (ushort)port.Port);

    private static IpAddress AddressOf(string prefix) => IpAddress.Parse(prefix.Split('/')[0]);

    private static uint Index(Host host, string link) => host.Namespace.Run(() => InterfaceName.ToIndex(link));

    private static IpAddress LinkLocal(Host host, string link)
    {
        string line = host.Ip("-6", "-o", "address", "show", "dev", link, "scope", "link").Output;
        return AddressOf(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3]);
    }
}
