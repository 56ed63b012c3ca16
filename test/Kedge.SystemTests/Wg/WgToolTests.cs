using Kedge.Demo;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.SystemTests.Wg;

/// <summary>The distribution's <c>wg</c> against our socket: every command, and every key that it can send.</summary>
public sealed class WgToolTests : IDisposable
{
    private readonly UapiFixture _server = new(whereWgLooks: true);
    private readonly WireGuardKeys _own = WireGuardKeys.Generate(), _peer = WireGuardKeys.Generate(), _other = WireGuardKeys.Generate();

    private string Name => _server.InterfaceName;

    [Fact]
    public void Wg_show_lists_the_interface()
    {
        Assert.Contains(Name, UapiFixture.RunWg("show", "interfaces").Split(' ', '\n'));
        Assert.Equal($"interface: {Name}\n", UapiFixture.RunWg("show", Name));
    }

    [Fact]
    public void Wg_set_sets_every_key_and_wg_show_shows_it()
    {
        string psk = WireGuardKeys.GeneratePresharedKey();
        Set("private-key", _server.WriteSecret("key", _own.PrivateKey), "listen-port", "51820", "fwmark", "0x33");
        Set(
            "peer", _peer.PublicKey, "preshared-key", _server.WriteSecret("psk", psk), "endpoint", "[2001:db8::7]:51821",
            "persistent-keepalive", "25", "allowed-ips", "10.7.0.0/16,fd07::/64");

        Assert.Equal($"{_own.PrivateKey}\t{_own.PublicKey}\t51820\t0x33", Dump()[0]);
        Assert.Equal($"{_peer.PublicKey}\t{psk}\t[2001:db8::7]:51821\t10.7.0.0/16,fd07::/64\t0\t0\t0\t25", Dump()[1]);
    }

    [Fact]
    public void Wg_set_takes_every_key_away_again()
    {
        Wg_set_sets_every_key_and_wg_show_shows_it();
        Set("private-key", "/dev/null", "listen-port", "0", "fwmark", "0");
        Set("peer", _peer.PublicKey, "preshared-key", "/dev/null", "persistent-keepalive", "off", "allowed-ips", "");

        Assert.Equal("(none)\t(none)\t0\toff", Dump()[0]);
        Assert.Equal($"{_peer.PublicKey}\t(none)\t[2001:db8::7]:51821\t(none)\t0\t0\t0\toff", Dump()[1]);
        Set("peer", _peer.PublicKey, "remove");
        Assert.Single(Dump());
    }

    [Fact]
    public void An_allowed_ip_given_to_another_peer_is_taken_from_the_first()
    {
        Set("peer", _peer.PublicKey, "allowed-ips", "10.7.0.0/16,10.8.0.0/16");
        Set("peer", _other.PublicKey, "allowed-ips", "10.8.0.0/16");
        Assert.Equal(
            Lines($"{_peer.PublicKey}\t10.7.0.0/16", $"{_other.PublicKey}\t10.8.0.0/16"),
            Lines(UapiFixture.RunWg("show", Name, "allowed-ips")));
    }

    [Fact]
    public void A_scoped_endpoint_comes_back_as_it_was_given()
    {
        Set("peer", _peer.PublicKey, "endpoint", "[fe80::1%lo]:7");
        Assert.Equal($"{_peer.PublicKey}\t[fe80::1%lo]:7\n", UapiFixture.RunWg("show", Name, "endpoints"));
    }

    [Fact]
    public void What_wg_showconf_prints_wg_setconf_takes()
    {
        Wg_set_sets_every_key_and_wg_show_shows_it();
        string shown = UapiFixture.RunWg("showconf", Name);
        string[] before = Dump();
        Set("listen-port", "1", "fwmark", "1", "peer", _other.PublicKey, "allowed-ips", "10.9.0.0/16", "peer", _peer.PublicKey, "remove");

        UapiFixture.RunWg("setconf", Name, _server.WriteSecret("conf", shown));
        Assert.Equal(before, Dump());
        Assert.Equal(shown, UapiFixture.RunWg("showconf", Name));
    }

    [Fact]
    public void Wg_addconf_adds_and_wg_setconf_replaces()
    {
        string own = $"[Interface]\nPrivateKey = {_own.PrivateKey}\nListenPort = 7\n";
        string peer = $"[Peer]\nPublicKey = {_peer.PublicKey}\nAllowedIPs = 10.7.0.0/16\n";
        string other = $"[Peer]\nPublicKey = {_other.PublicKey}\nAllowedIPs = 10.8.0.0/16\nPersistentKeepalive = 9\n";

        UapiFixture.RunWg("setconf", Name, _server.WriteSecret("conf", own + peer));
        UapiFixture.RunWg("addconf", Name, _server.WriteSecret("conf", other));
        Assert.Equal(Lines(_peer.PublicKey, _other.PublicKey), Lines(UapiFixture.RunWg("show", Name, "peers")));
        UapiFixture.RunWg("setconf", Name, _server.WriteSecret("conf", own + other));
        Assert.Equal(Lines(_other.PublicKey), Lines(UapiFixture.RunWg("show", Name, "peers")));
        Assert.Equal($"{_other.PublicKey}\t9\n", UapiFixture.RunWg("show", Name, "persistent-keepalive"));
    }

    [Fact]
    public void Wg_syncconf_changes_what_differs()
    {
        WireGuardKeys added = WireGuardKeys.Generate();
        string kept = $"[Peer]\nPublicKey = {_peer.PublicKey}\nAllowedIPs = 10.7.0.0/16\n";
        string before = kept + $"[Peer]\nPublicKey = {_other.PublicKey}\nAllowedIPs = 10.8.0.0/16\n";
        string after = kept + $"[Peer]\nPublicKey = {added.PublicKey}\nAllowedIPs = 10.8.0.0/16\n";
        UapiFixture.RunWg("setconf", Name, _server.WriteSecret("conf", before));
        UapiFixture.RunWg("syncconf", Name, _server.WriteSecret("conf", after));
        Assert.Equal(
            Lines($"{_peer.PublicKey}\t10.7.0.0/16", $"{added.PublicKey}\t10.8.0.0/16"),
            Lines(UapiFixture.RunWg("show", Name, "allowed-ips")));
    }

    [Fact]
    public void What_the_device_refuses_wg_tells_by_the_name_of_the_error()
    {
        _server.Device.NextFailure = new UapiException(UapiError.AddressInUse, "The port is taken.");
        CommandResult result = UapiFixture.Wg("set", Name, "listen-port", "7");
        Assert.False(result.Succeeded);
        Assert.Contains("Address already in use", result.Error, StringComparison.Ordinal);
    }

    public void Dispose() => _server.Dispose();

    private static string[] Lines(params string[] lines) =>
        [.. lines.SelectMany(line => line.TrimEnd('\n').Split('\n')).Order(StringComparer.Ordinal)];

    private void Set(params string[] arguments) => UapiFixture.RunWg(["set", Name, .. arguments]);

    private string[] Dump() => UapiFixture.RunWg("show", Name, "dump").TrimEnd('\n').Split('\n');
}
