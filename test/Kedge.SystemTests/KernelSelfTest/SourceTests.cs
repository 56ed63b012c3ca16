using Kedge.Demo;

namespace Kedge.SystemTests.KernelSelfTest;

/// <summary>Which address and interface a device speaks from: the one spoken to, but not longer than that is right.</summary>
public sealed class SourceTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _hostOne, _hostTwo;

    public SourceTests()
    {
        (_hostOne, _hostTwo) = (_net.AddHost("one"), _net.AddHost("two"));
        foreach (Host host in (Host[])[_hostOne, _hostTwo])
        {
            host.SetSetting("net.ipv4.conf.all.rp_filter", "0");
            host.SetSetting("net.ipv4.conf.default.rp_filter", "0");
        }
    }

    public void Dispose() => _net.Dispose();

    [Theory]
    [InlineData("10.0.0.1/24", "10.0.0.10/24", "10.0.0.2:2", "10.0.0.10:1")]
    [InlineData("fd00:aa::1/96", "fd00:aa::10/96", "[fd00:aa::2]:2", "[fd00:aa::10]:1")]
    public void An_address_that_is_gone_is_replaced_by_another_one_at_once(string before, string after, string endpoint, string expected)
    {
        Link cable = _net.Connect(_hostOne, _hostTwo, [before], ["10.0.0.2/24", "fd00:aa::2/96"]);
        _hostOne.SetSetting($"net.ipv4.conf.{cable.InterfaceOfA}.promote_secondaries", "1");
        (SelfTestEnd one, SelfTestEnd two) = Start();
        one.SetEndpoint(two, endpoint);
        one.Reaches(two.Address);

        _hostOne.AddAddress(cable.InterfaceOfA, after);
        _hostOne.Ip("address", "delete", before, "dev", cable.InterfaceOfA);

        one.Reaches(two.Address);
        Assert.Equal(expected, two.PeerEndpoint);
    }

    [Fact]
    public void A_device_answers_from_the_address_that_it_was_spoken_to_also_if_that_is_another_interfaces()
    {
        Link cable = _net.Connect(
            _hostOne, _hostTwo, ["10.0.0.1/24", "10.0.0.2/24", "fd00:aa::1/96", "fd00:aa::2/96"], ["10.0.0.3/24", "fd00:aa::3/96"]);
        _hostOne.Ip("link", "add", "elsewhere", "type", "ifb");
        _hostOne.AddAddress("elsewhere", "10.50.0.1/24");
        _hostOne.Ip("link", "set", "elsewhere", "up");
        _hostTwo.Ip("route", "add", "10.50.0.0/24", "dev", cable.InterfaceOfB);
        (SelfTestEnd one, SelfTestEnd two) = Start();

        foreach (string endpoint in (string[])["10.0.0.1:1", "[fd00:aa::1]:1", "10.0.0.2:1", "[fd00:aa::2]:1", "10.50.0.1:1"])
        {
            two.SetEndpoint(one, endpoint);
            two.Reaches(one.Address);
            // Routes that change do not make it forget, as long as they lead the same way.
            _hostOne.Ip("route", "add", "198.51.100.0/24", "dev", cable.InterfaceOfA);
            _hostOne.Ip("route", "delete", "198.51.100.0/24");
            Assert.True(Ping.Run(_hostTwo, one.Address, count: 5).AllReceived);
            Assert.Equal(endpoint, two.PeerEndpoint);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_better_route_is_taken_while_the_old_one_still_works(bool overIPv6)
    {
        string[] a = overIPv6 ? ["fd00:aa::1/96"] : ["10.0.0.1/24"], peer = overIPv6 ? ["fd00:aa::2/96"] : ["10.0.0.2/24"];
        string b = overIPv6 ? "fd00:aa::3/96" : "10.0.0.3/24", network = overIPv6 ? "fd00:aa::/96" : "10.0.0.0/24";
        Link first = _net.Connect(_hostOne, _hostTwo, a, peer);
        Link second = _net.Connect(_hostOne, _hostTwo, [b], []);
        _hostOne.Ip("route", "flush", "dev", first.InterfaceOfA);
        _hostOne.Ip("route", "flush", "dev", second.InterfaceOfA);
        if (overIPv6)
        {
            _hostOne.Ip("-6", "route", "flush", "dev", first.InterfaceOfA);
            _hostOne.Ip("-6", "route", "flush", "dev", second.InterfaceOfA);
            // Unlike IPv4, IPv6 answers for an address on the interface alone that has it.
            _hostTwo.AddAddress(second.InterfaceOfB, "fd00:aa::2/128");
            _hostTwo.Ip("-6", "route", "add", "fd00:aa::3/128", "dev", second.InterfaceOfB);
        }
        _hostOne.Ip("route", "add", network, "dev", first.InterfaceOfA, "src", a[0].Split('/')[0], "metric", "2000");
        (SelfTestEnd one, SelfTestEnd two) = Start();
        one.SetEndpoint(two, overIPv6 ? "[fd00:aa::2]:2" : "10.0.0.2:2");
        one.Reaches(two.Address);
        Assert.Equal(overIPv6 ? "[fd00:aa::1]:1" : "10.0.0.1:1", two.PeerEndpoint);

        // What is under way to the old address must not bring it back for good.
        using RunningProcess traffic = _hostTwo.Start("ping", "-q", "-i", "0.001", "-c", "12000", one.Address);
        Wait.Until(() => one.Device.Peers.Single().ReceivedBytes > 100_000, SelfTestEnd.Patience, "traffic");
        _hostOne.Ip("route", "add", network, "dev", second.InterfaceOfA, "src", b.Split('/')[0], "metric", "1000");

        string expected = overIPv6 ? "[fd00:aa::3]:1" : "10.0.0.3:1";
        Wait.Until(
            () => Ping.Run(_hostOne, two.Address, count: 1, patience: Ping.Brief).AllReceived && two.PeerEndpoint == expected,
            TimeSpan.FromSeconds(10), // without the change noticed, not within minutes
            "the better route");
    }

    private (SelfTestEnd One, SelfTestEnd Two) Start() => SelfTestEnd.StartPair(_hostOne, _hostOne, _hostTwo, _hostTwo);
}
