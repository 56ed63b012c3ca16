using System.Globalization;
using Kedge.Demo;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.SystemTests.Device;

/// <summary>What an administrator does to the interface itself.</summary>
public class InterfaceTests : IDisposable
{
    private readonly TwoHosts _hosts = new();
    private readonly DeviceProcess _other;
    private readonly DeviceProcess _kedge;

    public InterfaceTests()
    {
        _other = _hosts.StartOther();
        _kedge = _hosts.StartKedge(_other);
        _hosts.AwaitTunnel();
    }

    public void Dispose()
    {
        _hosts.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void Down_ends_sessions_and_closes_the_port_and_up_makes_them_anew_on_the_same_port()
    {
        int port = _kedge.ListenPort;
        DateTimeOffset first = LastHandshake()!.Value;
        Assert.Equal(2, SocketsOn(port)); // one a family

        _hosts.A.Ip("link", "set", _kedge.Name, "down");
        Wait.Until(() => SocketsOn(port) == 0, TwoHosts.Patience, "the port to be closed");
        _hosts.A.Ip("link", "set", _kedge.Name, "up");

        Wait.Until(() => SocketsOn(port) == 2, TwoHosts.Patience, "the port to be open again");
        _hosts.AwaitTunnel();
        Assert.Equal(port, _kedge.ListenPort);
        Assert.True(LastHandshake() > first + TimeSpan.FromMilliseconds(1), $"the handshake is still that of {first:O}");
        Assert.Equal($"{TwoHosts.OuterA}:{port}", _other.Peers.Single().Endpoint);
    }

    [Fact]
    public void In_another_network_namespace_it_goes_on_with_its_port_where_it_was()
    {
        Host inside = _hosts.Net.AddHost("inside");

        _hosts.A.Ip("link", "set", _kedge.Name, "netns", inside.Namespace.Name);
        inside.AddAddress(_kedge.Name, $"{TwoHosts.InnerA}/24");
        inside.AddAddress(_kedge.Name, $"{TwoHosts.Inner6A}/64");
        inside.Ip("link", "set", _kedge.Name, "up");

        // That host has no other interface than this one and lo.
        TwoHosts.AwaitTunnel(inside, TwoHosts.InnerB);
        TwoHosts.AwaitTunnel(inside, TwoHosts.Inner6B);
        TwoHosts.AwaitTunnel(_hosts.B, TwoHosts.InnerA);
        Assert.Equal(2, SocketsOn(_kedge.ListenPort));

        inside.Ip("link", "delete", _kedge.Name);

        Assert.Equal(0, _kedge.Process.WaitForExit(TwoHosts.Patience).ExitCode);
        Assert.False(File.Exists(_kedge.SocketPath));
    }

    [Fact]
    public void Another_mtu_is_taken_while_it_runs()
    {
        _hosts.Net.Connect(_hosts.A, _hosts.B, ["10.2.0.1/24"], ["10.2.0.2/24"], mtu: 9000);
        _kedge.Set("peer", _other.Keys.PublicKey, "endpoint", $"10.2.0.2:{_other.ListenPort}");
        _other.Host.Ip("link", "set", _other.Name, "mtu", "8000");

        _hosts.A.Ip("link", "set", _kedge.Name, "mtu", "8000");

        Wait.Until(() => TwoHosts.StatusOf(_kedge.Name).Mtu == 8000, TwoHosts.Patience, "the new MTU");
        Wait.Until(
            () => Ping.Run(_hosts.A, TwoHosts.InnerB, count: 1, payloadBytes: 8000 - 28, mayFragment: false).AllReceived,
            TwoHosts.Patience, "an answer to a long packet");
    }

    private DateTimeOffset? LastHandshake()
    {
        using DeviceStatus status = TwoHosts.StatusOf(_kedge.Name);
        return status.Peers.Single().LastHandshake;
    }

    /// <summary>How many UDP sockets of host a have a port.</summary>
    private int SocketsOn(int port) => _hosts.A.Namespace.Run(() =>
        ((string[])["udp", "udp6"]).SelectMany(family => File.ReadAllLines($"/proc/thread-self/net/{family}"))
            .Count(line => line.Contains(string.Create(CultureInfo.InvariantCulture, $":{port:X4} 0000"), StringComparison.Ordinal)));
}
