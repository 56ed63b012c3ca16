using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>What runs at an end of a tunnel.</summary>
public enum Implementation
{
    /// <summary>The program under test.</summary>
    Kedge,

    /// <summary>The distribution's wireguard-go.</summary>
    WireGuardGo,
}

/// <summary>
/// Two machines with a cable between them, and a tunnel from Kedge on one to wireguard-go, or Kedge again, on the other:
/// <code>
///   kedge  192.0.2.1  ------- eth0 ------- eth0 -------  192.0.2.2  other
///          2001:db8::1                                   2001:db8::2
///          10.77.0.1  ========== the tunnel ===========  10.77.0.2
///          fd77::1                                       fd77::2
/// </code>
/// Only the end that is to begin the handshake knows where the other one is. Whoever started it disposes it.
/// </summary>
internal sealed class Tunnel : IDisposable
{
    private readonly Implementation _initiator;

    private Tunnel(Topology net, Link cable, TunnelEnd kedge, TunnelEnd other, Implementation initiator) =>
        (Net, Cable, Kedge, Other, _initiator) = (net, cable, kedge, other, initiator);

    public Topology Net { get; }

    /// <summary>The cable; its first end is at Kedge.</summary>
    public Link Cable { get; }

    public TunnelEnd Kedge { get; }

    public TunnelEnd Other { get; }

    /// <summary>The end that begins the first handshake; the only one that knows an endpoint.</summary>
    public TunnelEnd Initiator => _initiator == Implementation.Kedge ? Kedge : Other;

    public TunnelEnd Responder => _initiator == Implementation.Kedge ? Other : Kedge;

    /// <summary>Builds it all. No packet has passed yet.</summary>
    /// <param name="initiator">Which end knows the other's endpoint.</param>
    /// <param name="overIPv6">Whether the machines speak IPv6 to each other.</param>
    /// <param name="mtu">Bytes of the longest packet in the tunnel.</param>
    /// <param name="pathMtu">Bytes of the longest packet on the cable.</param>
    /// <param name="presharedKey">The preshared key at both ends, in base64.</param>
    /// <param name="other">What runs at the other end.</param>
    /// <param name="offload">What Kedge is to leave to the kernel at its own end; at the other one it is all.</param>
    /// <param name="queues">How many queues Kedge has.</param>
    /// <param name="program">The program that is Kedge's end; null for <see cref="Repository.Program"/>.</param>
    public static Tunnel Start(
        Implementation initiator = Implementation.Kedge,
        bool overIPv6 = false,
        int mtu = 1420,
        int pathMtu = 1500,
        string? presharedKey = null,
        Implementation other = Implementation.WireGuardGo,
        string offload = "on",
        int queues = 1,
        string? program = null)
    {
        var net = Topology.Create();
        try
        {
            Host here = net.AddHost("kedge"), there = net.AddHost("other");
            Link cable = net.Connect(here, there, ["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"], pathMtu);
            string[] options = ["--offload", offload, "--queues", Text(queues)];
            var kedge = new TunnelEnd(DeviceProcess.StartKedge(here, program ?? Repository.Program, options: options), 1, overIPv6, mtu);
            DeviceProcess device = other == Implementation.Kedge
                ? DeviceProcess.StartKedge(there, Repository.Program)
                : DeviceProcess.StartWireGuardGo(there);
            var end = new TunnelEnd(device, 2, overIPv6, mtu);
            kedge.PresharedKey = end.PresharedKey = presharedKey;
            var tunnel = new Tunnel(net, cable, kedge, end, initiator);
            kedge.SetUp();
            end.SetUp();
            tunnel.Responder.Meet(tunnel.Initiator, knowsEndpoint: false);
            tunnel.Initiator.Meet(tunnel.Responder, knowsEndpoint: true);
            return tunnel;
        }
        catch
        {
            net.Dispose();
            throw;
        }
    }

    /// <summary>Captures the tunnel's datagrams on the cable.</summary>
    public Capture CaptureCable() => Capture.Start(Cable.A, Cable.InterfaceOfA, "udp");

    /// <summary>The initiator begins a handshake and a ping comes back, so that there is a session that both ends use.</summary>
    public void Handshake()
    {
        Initiator.Reaches(Responder.Address);
        Wait.Until(
            () => Initiator.Peer.LatestHandshake is not null && Responder.Peer.LatestHandshake is not null,
            Timeouts.Soon,
            "a handshake at both ends");
    }

    public void Dispose() => Net.Dispose();

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>
/// One end of a <see cref="Tunnel"/> or of the tunnels of a <see cref="Hub"/>: a machine, the device on it, and how that is configured, so
/// that it can be configured again. Members that speak of the peer are for an end that has only one.
/// </summary>
/// <param name="device">The device, as it was started.</param>
/// <param name="number">The last part of all its addresses, 1 to 254.</param>
/// <param name="overIPv6">Whether the machines speak IPv6 to each other.</param>
/// <param name="mtu">Bytes of the longest packet in the tunnel.</param>
internal sealed class TunnelEnd(DeviceProcess device, int number, bool overIPv6 = false, int mtu = 1420)
{
    /// <summary>The UDP port of every end; each has a machine of its own.</summary>
    public const int Port = 51820;

    private readonly List<(TunnelEnd End, bool KnowsEndpoint)> _peers = [];

    public DeviceProcess Device => device;

    public Host Host => device.Host;

    /// <summary>The addresses inside the tunnel.</summary>
    public string Address { get; } = Text($"10.77.0.{number}");

    public string Address6 { get; } = Text($"fd77::{number}");

    /// <summary>The machine's own address, in the family that the machines speak to each other.</summary>
    public string Underlay { get; } = overIPv6 ? Text($"2001:db8::{number}") : Text($"192.0.2.{number}");

    /// <summary>Where this end can be reached.</summary>
    public string Endpoint => EndpointOf(Underlay, Port);

    /// <summary>The only peer, as <c>wg show</c> has it.</summary>
    public PeerStatus Peer => device.Peers.Single();

    /// <summary>What <c>wg</c> calls the only peer.</summary>
    private string PeerKey => _peers.Single().End.Device.Keys.PublicKey;

    /// <summary>The preshared key that <see cref="Meet"/> and <see cref="Restart"/> configure; null for none.</summary>
    public string? PresharedKey { get; set; }

    /// <summary>An address and a port as <c>wg</c> writes them.</summary>
    public static string EndpointOf(string address, int port) =>
        address.Contains(':', StringComparison.Ordinal) ? Text($"[{address}]:{port}") : Text($"{address}:{port}");

    /// <summary>Gives the interface its port and its addresses, sets it up, and waits until the port is open.</summary>
    public void SetUp()
    {
        device.Set("listen-port", Text($"{Port}"));
        device.SetUp([$"{Address}/24", $"{Address6}/64"], mtu);
        Wait.Until(HasPort, Timeouts.Soon, $"the port of {this} open");
    }

    /// <summary>Makes another end this one's peer.</summary>
    public void Meet(TunnelEnd other, bool knowsEndpoint)
    {
        if (!_peers.Contains((other, knowsEndpoint)))
            _peers.Add((other, knowsEndpoint));
        device.AddPeer(other.Device, [$"{other.Address}/32", $"{other.Address6}/128"], knowsEndpoint ? other.Endpoint : null, PresharedKey);
    }

    /// <summary>
    /// Asserts that an echo request comes back. On a busy machine queues are soon full, so a packet may have to be sent again; none of
    /// them passes a tunnel that does not work.
    /// </summary>
    /// <param name="address">Where to.</param>
    /// <param name="packetBytes">The length of the IP packet, which may not be cut.</param>
    public void Reaches(string address, int packetBytes = 84)
    {
        int payload = packetBytes - (address.Contains(':', StringComparison.Ordinal) ? 48 : 28); // less the IP and ICMP headers
        Wait.Until(
            () => Ping.Run(Host, address, count: 1, payload, mayFragment: false).AllReceived,
            Timeouts.Soon,
            $"a reply from {address} to {packetBytes} bytes from {this}");
    }

    /// <summary>Sets the peer's preshared key and nothing else.</summary>
    public void SetPresharedKey(string key)
    {
        PresharedKey = key;
        device.Set("peer", PeerKey, "preshared-key", Host.Topology.WriteSecret($"{device.Name}.psk", key));
    }

    /// <summary>Sets the interval of unasked keepalives in seconds; 0 for none.</summary>
    public void SetPersistentKeepalive(int seconds) =>
        device.Set("peer", PeerKey, "persistent-keepalive", Text($"{seconds}"));

    /// <summary>Removes the peer.</summary>
    public void Forget() => device.Set("peer", PeerKey, "remove");

    /// <summary>Kills the device and starts it again with the same configuration, as a machine does that has lost its power.</summary>
    public void Restart()
    {
        device.Restart();
        SetUp();
        foreach ((TunnelEnd end, bool knowsEndpoint) in _peers)
            Meet(end, knowsEndpoint);
    }

    /// <summary>
    /// Ends the device's sessions, so that the next packet begins a handshake, by giving it another private key and then its own again. The
    /// configuration stays. (Its interface taken down and up would do for Kedge; wireguard-go does not notice that.)
    /// </summary>
    public void EndSessions()
    {
        device.Set("private-key", Host.Topology.WriteSecret($"{device.Name}.passing.key", WireGuardKeys.Generate().PrivateKey));
        device.Set("private-key", Host.Topology.WriteSecret($"{device.Name}.key", device.Keys.PrivateKey));
    }

    public override string ToString() => Host.Label;

    /// <summary>Whether the device's port is open: the second field of a line of <c>/proc/net/udp</c> is the local address.</summary>
    private bool HasPort()
    {
        string end = Text($":{Port:X4}");
        return File.ReadLines($"/proc/{device.Process.ProcessId}/net/udp")
            .Any(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1].EndsWith(end, StringComparison.Ordinal));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>
/// How long to wait at most: generous, because the machine may have other things to do. Nothing waits that long when all is well.
/// </summary>
internal static class Timeouts
{
    /// <summary>What happens at once.</summary>
    public static readonly TimeSpan Soon = TimeSpan.FromSeconds(15);

    /// <summary>What the protocol does at its first retry, 5 s later, or its second.</summary>
    public static readonly TimeSpan Retry = TimeSpan.FromSeconds(25);

    /// <summary>What an end notices only when it has had no answer for 15 s, and then perhaps retries.</summary>
    public static readonly TimeSpan NoAnswer = TimeSpan.FromSeconds(40);
}
