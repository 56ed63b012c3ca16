using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Kedge.Demo;

namespace Kedge.SystemTests.KernelSelfTest;

/// <summary>Configurations that are long or odd.</summary>
public sealed class ConfigurationTests : IDisposable
{
    // Curve25519's points of low order: nobody can agree on a key with them.
    private static readonly string[] s_lowOrderKeys =
    [
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=", "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=",
        "7P///////////////////////////////////////38=", "7f///////////////////////////////////////38=",
        "7v///////////////////////////////////////38=",
    ];

    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly DeviceProcess _device;

    public ConfigurationTests()
    {
        _host = _net.AddHost("a");
        _device = DeviceProcess.StartKedge(_host, Repository.Program);
    }

    public void Dispose() => _net.Dispose();

    [Fact]
    public void A_peer_with_130560_prefixes_is_taken_and_shown_whole()
    {
        string peer = WireGuardKeys.Generate().PublicKey;
        var text = new StringBuilder($"[Interface]\nPrivateKey = {_device.Keys.PrivateKey}\n[Peer]\nPublicKey = {peer}\n");
        for (int a = 1; a <= 255; a++)
            for (int b = 0; b <= 255; b++)
                text.Append(CultureInfo.InvariantCulture, $"AllowedIPs = {a}.{b}.0.0/16, {a}::{b}/128\n");
        _host.Run("wg", "setconf", _device.Name, _net.WriteSecret("long.conf", text.ToString()));
        Assert.Equal(255 * 256 * 2 + 1, Words(_device.Show("allowed-ips")).Length);
    }

    [Fact]
    public void Forty_peers_with_52_prefixes_each_are_shown_whole_and_as_a_configuration_again()
    {
        var text = new StringBuilder($"[Interface]\nPrivateKey = {_device.Keys.PrivateKey}\n");
        for (int a = 1; a <= 40; a++)
        {
            text.Append(CultureInfo.InvariantCulture, $"[Peer]\nPublicKey = {WireGuardKeys.Generate().PublicKey}\n");
            for (int b = 1; b <= 52; b++)
                text.Append(CultureInfo.InvariantCulture, $"AllowedIPs = {a}.{b}.0.0/16\n");
        }
        _host.Run("wg", "setconf", _device.Name, _net.WriteSecret("long.conf", text.ToString()));
        string[] lines = _device.Show("allowed-ips").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(40, lines.Length);
        Assert.All(lines, line => Assert.Equal(53, Words(line).Length));
        Assert.Equal(40, _host.Run("wg", "showconf", _device.Name).Output.Split("[Peer]").Length - 1);
    }

    [Fact]
    public void Keys_are_set_taken_back_and_clamped_and_no_device_is_its_own_peer()
    {
        WireGuardKeys other = WireGuardKeys.Generate();
        string psk = WireGuardKeys.GeneratePresharedKey();
        _device.Set("peer", other.PublicKey, "preshared-key", _net.WriteSecret("psk", psk));
        Assert.Equal($"{_device.Keys.PrivateKey}\n", _device.Show("private-key"));
        Assert.Equal($"{other.PublicKey}\t{psk}\n", _device.Show("preshared-keys"));

        _device.Set("private-key", "/dev/null", "peer", other.PublicKey, "preshared-key", "/dev/null");
        Assert.Equal("(none)\n", _device.Show("private-key"));
        Assert.Equal($"{other.PublicKey}\t(none)\n", _device.Show("preshared-keys"));

        string otherKey = _net.WriteSecret("other.key", other.PrivateKey);
        _device.Set("private-key", otherKey);
        Assert.Equal($"{other.PublicKey}\n", _device.Show("public-key"));
        Assert.Equal("", _device.Show("peers"));
        _device.Set("peer", other.PublicKey);
        Assert.Equal("", _device.Show("peers"));

        byte[] unclamped = Convert.FromBase64String(other.PrivateKey);
        unclamped[0] |= 7;
        _device.Set("private-key", _net.WriteSecret("unclamped.key", Convert.ToBase64String(unclamped)));
        unclamped[0] &= 0xF8;
        Assert.Equal($"{Convert.ToBase64String(unclamped)}\n", _device.Show("private-key"));
    }

    [Fact]
    public void Peers_with_keys_of_low_order_are_taken_and_never_spoken_to()
    {
        using Socket receiver = _host.Namespace.Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 1111));
            return socket;
        });
        foreach (string key in s_lowOrderKeys)
            _device.Set("peer", key, "persistent-keepalive", "1", "endpoint", "127.0.0.1:1111");
        _device.Set("peer", WireGuardKeys.Generate().PublicKey, "persistent-keepalive", "1", "endpoint", "127.0.0.1:1");
        Assert.Equal(s_lowOrderKeys.Length + 1, _device.Peers.Count);

        _device.SetUp(["10.9.0.1/24"]);

        // The peer with a good key has been spoken to, so the others would have been.
        Wait.Until(
            () => _device.Peers.Any(peer => peer.SentBytes >= 148), TimeSpan.FromSeconds(20), "an initiation to the peer with a good key");
        Assert.False(receiver.Poll(TimeSpan.FromSeconds(2), SelectMode.SelectRead));
    }

    private static string[] Words(string text) => text.Split((char[])[' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries);
}
