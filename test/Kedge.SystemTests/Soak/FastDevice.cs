using Kedge.Demo;
using Kedge.Linux.Udp;
using Kedge.Node.Dataplane;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.SystemTests.Soak;

/// <summary>A device in this process, on a host of its own, whose sessions are renewed every three seconds. Whoever made it disposes it.</summary>
internal sealed class FastDevice : IDisposable
{
    public static readonly TimeSpan Renewal = TimeSpan.FromSeconds(3);

    // Everything else in about the specification's proportions.
    private static readonly Timing Times = new()
    {
        RekeyAfterTime = Renewal,
        RejectAfterTime = TimeSpan.FromSeconds(6),
        RekeyTimeout = TimeSpan.FromMilliseconds(500),
        MaximumJitter = TimeSpan.FromMilliseconds(50),
        KeepaliveTimeout = TimeSpan.FromSeconds(1),
    };

    private readonly WireGuardKeys _keys = WireGuardKeys.Generate();
    private readonly string _name;
    private readonly Host _host;
    private readonly TunInterface _tun;
    private readonly UdpPort _port = new(withOffloads: true);
    private readonly Dataplane _dataplane;

    /// <summary>Makes the device, with an address in the tunnel, 10.9.0.<paramref name="number"/>.</summary>
    public FastDevice(Host host, int number)
    {
        (_host, _name, Address) = (host, host.Topology.NewInterfaceName(), $"10.9.0.{number}");
        _tun = TunInterface.Open(_name, 1420, isPersistent: false, host.Namespace.Name, withOffloads: true, queues: 1);
        string state = Path.Combine(host.Topology.TempFolder, host.Label);
        _dataplane = new Dataplane(_tun, _port, new TimestampFile(state), Times, NullLogger.Instance);
        host.Namespace.Run(_dataplane.Start); // Its threads open the port.
        using var change = new DeviceChange { PrivateKey = Convert.FromBase64String(_keys.PrivateKey), ListenPort = Port };
        _dataplane.Apply(change);
        host.Ip("address", "add", $"{Address}/24", "dev", _name);
        host.Ip("link", "set", _name, "up");
    }

    /// <summary>Its address in the tunnel.</summary>
    public string Address { get; }

    /// <summary>When the last handshake was completed; null for never.</summary>
    public DateTimeOffset? LastHandshake
    {
        get
        {
            using DeviceStatus status = _dataplane.Status();
            return status.Peers.Single().LastHandshake;
        }
    }

    private const ushort Port = 51820;

    /// <summary>Makes another device the only peer.</summary>
    /// <param name="other">The other device.</param>
    /// <param name="address">Where that is.</param>
    public void Meet(FastDevice other, string address)
    {
        using var change = new DeviceChange();
        var peer = new PeerChange(PublicKey.Parse(other._keys.PublicKey)) { Endpoint = new Endpoint(IpAddress.Parse(address), Port) };
        peer.AllowedIps.Add(new AllowedIpChange(IpPrefix.Parse($"{other.Address}/32"), Remove: false));
        change.Peers.Add(peer);
        _dataplane.Apply(change);
    }

    public void Dispose()
    {
        _dataplane.Dispose();
        _port.Dispose();
        _tun.Dispose();
    }

    public override string ToString() => _host.Label;
}
