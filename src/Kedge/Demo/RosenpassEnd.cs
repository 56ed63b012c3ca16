namespace Kedge.Demo;

/// <summary>One machine of <see cref="RosenpassDemo"/>: a WireGuard device, and Rosenpass, which makes its peer.</summary>
internal sealed class RosenpassEnd
{
    private const int Port = 9999;

    private readonly string _program, _hostAddress, _tunnelAddress;
    private RunningProcess? _process;

    /// <summary>Starts the device, which has no peer yet.</summary>
    /// <param name="host">Where.</param>
    /// <param name="program">The path of the program <c>kedge</c>.</param>
    /// <param name="hostAddress">The host's address.</param>
    /// <param name="tunnelAddress">The address inside the tunnel.</param>
    public RosenpassEnd(Host host, string program, string hostAddress, string tunnelAddress)
    {
        (_program, _hostAddress, _tunnelAddress) = (program, hostAddress, tunnelAddress);
        Device = DeviceProcess.StartKedge(host, program);
        Device.SetUp([$"{tunnelAddress}/24"]);
    }

    /// <summary>The device.</summary>
    public DeviceProcess Device { get; }

    /// <summary>The file with Rosenpass's public key.</summary>
    public string PublicKeyFile => PathOf("pqpk");

    /// <summary>The file that Rosenpass writes the exchanged key to.</summary>
    public string KeyFile => PathOf("key");

    /// <summary>The preshared key of WireGuard's peer, to be compared and never to be shown; empty while there is no peer.</summary>
    public string PresharedKey => Device.Show("preshared-keys").Trim().Split('\t') is [_, var key] ? key : "";

    // What 'wg set' of the other end is told of this one.
    private string[] PeerArguments => ["endpoint", $"{_hostAddress}:{Device.ListenPort}", "allowed-ips", $"{_tunnelAddress}/32"];

    /// <summary>Makes the key pair.</summary>
    public void MakeKeys() => Device.Host.Run(_program, "rosenpass", "gen-keys", "-p", PublicKeyFile, "-s", PathOf("pqsk"));

    /// <summary>Starts Rosenpass, which makes the other end WireGuard's peer, with a random preshared key until one is exchanged.</summary>
    public void Start(RosenpassEnd other)
    {
        string[] words =
        [
            _program, "rosenpass", "exchange", "--run-dir", Path.Combine(Device.Host.Topology.TempFolder, "run"),
            "public-key", PublicKeyFile, "secret-key", PathOf("pqsk"), "listen", $"{_hostAddress}:{Port}",
            "peer", "public-key", other.PublicKeyFile, "endpoint", $"{other._hostAddress}:{Port}", "outfile", KeyFile,
            "wireguard", Device.Name, other.Device.Keys.PublicKey, .. other.PeerArguments,
        ];
        _process = Device.Host.Start(words);
    }

    /// <summary>Ends Rosenpass; WireGuard goes on.</summary>
    public void Stop() => _process?.Dispose();

    /// <summary>Ends Rosenpass and starts it again; WireGuard goes on.</summary>
    public void Restart(RosenpassEnd other)
    {
        Stop();
        Start(other);
    }

    /// <summary>Makes WireGuard forget the peer and its session, and know it again with a preshared key.</summary>
    public void Rejoin(RosenpassEnd other, string presharedKeyFile)
    {
        Device.Set("peer", other.Device.Keys.PublicKey, "remove");
        Device.Set(["peer", other.Device.Keys.PublicKey, "preshared-key", presharedKeyFile, .. other.PeerArguments]);
    }

    private string PathOf(string name) => Path.Combine(Device.Host.Topology.TempFolder, $"{Device.Host.Label}.{name}");
}
