using Kedge.Demo;

namespace Kedge.SystemTests.Wg;

/// <summary>The distribution's <c>wg-quick</c> with <c>WG_QUICK_USERSPACE_IMPLEMENTATION=kedge-wg</c>, in a namespace.</summary>
public sealed class WgQuickTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly string _name;
    private readonly WireGuardKeys _own = WireGuardKeys.Generate(), _peer = WireGuardKeys.Generate();

    public WgQuickTests()
    {
        _host = _net.AddHost("a");
        _net.Connect(_host, _net.AddHost("b"), ["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"]);
        _name = _net.NewInterfaceName();
    }

    [Fact]
    public void Up_makes_what_the_file_says_and_down_takes_it_away_again_and_again()
    {
        string config = WriteConfig("10.7.0.0/16, fd07::/64");
        string before = State();
        for (int i = 0; i < 3; i++)
        {
            Quick("up", config);
            Assert.Equal($"{_peer.PublicKey}\t10.7.0.0/16 fd07::/64\n", UapiFixture.RunWg("show", _name, "allowed-ips"));
            Assert.Contains("mtu 1420", _host.Ip("link", "show", _name).Output, StringComparison.Ordinal);
            Assert.Contains($"10.7.0.0/16 dev {_name}", _host.Ip("route").Output, StringComparison.Ordinal);
            Assert.Contains($"fd07::/64 dev {_name}", _host.Ip("-6", "route").Output, StringComparison.Ordinal);
            Assert.Contains("10.7.0.1/32", _host.Ip("address", "show", _name).Output, StringComparison.Ordinal);
            Quick("down", config);
            Wait.Until(() => _host.Namespace.ProcessIds().Count == 0, KedgeProgram.Patience, "the end of the device");
            Assert.Equal(before, State());
            Assert.False(File.Exists(KedgeProgram.SocketOf(_name)));
        }
    }

    [Fact]
    public void A_default_route_through_the_tunnel_works_by_the_mark()
    {
        string config = WriteConfig("0.0.0.0/0, ::/0");
        string before = State();
        Quick("up", config);
        Assert.Equal("0xca6c\n", UapiFixture.RunWg("show", _name, "fwmark"));
        Assert.Contains("not from all fwmark 0xca6c lookup 51820", _host.Ip("rule").Output, StringComparison.Ordinal);
        Quick("down", config);
        Wait.Until(() => _host.Namespace.ProcessIds().Count == 0, KedgeProgram.Patience, "the end of the device");
        Assert.Equal(before, State());
    }

    public void Dispose() => _net.Dispose();

    private string WriteConfig(string allowedIps) => _net.WriteSecret(
        $"{_name}.conf",
        $"""
        [Interface]
        PrivateKey = {_own.PrivateKey}
        Address = 10.7.0.1/32, fd07::1/128
        ListenPort = 51820

        [Peer]
        PublicKey = {_peer.PublicKey}
        PresharedKey = {WireGuardKeys.GeneratePresharedKey()}
        Endpoint = 192.0.2.2:51820
        AllowedIPs = {allowedIps}

        """);

    private void Quick(string verb, string config)
    {
        Command call = KedgeProgram.CallAsDaemon(_net);
        var environment = new Dictionary<string, string>(call.Environment)
        {
            ["WG_QUICK_USERSPACE_IMPLEMENTATION"] = KedgeProgram.LinkAsDaemon(_net),
        };
        _host.Run(call with { Line = ["wg-quick", verb, config], Environment = environment });
    }

    private string State() =>
        string.Concat(
            _host.Ip("-br", "address").Output,
            _host.Ip("route", "show", "table", "all").Output,
            _host.Ip("-6", "route", "show", "table", "all").Output,
            _host.Ip("rule").Output,
            _host.Ip("-6", "rule").Output,
            _host.Run("nft", "list", "ruleset").Output);
}
