using System.Globalization;
using System.Net.Sockets;

namespace Kedge.Demo;

/// <summary>
/// A WireGuard device in user space on one host, Kedge's or the distribution's, in the foreground and configured by <c>wg</c>. Whoever
/// started it may dispose it, which ends it; the topology does in the end. Any thread may use it.
/// </summary>
public sealed class DeviceProcess : IDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30); // on a machine that has much else to do
    private readonly Func<string, Command> _start;

    private DeviceProcess(Host host, WireGuardKeys? keys, Func<string, Command> start)
    {
        _start = start;
        Host = host;
        Name = host.Topology.NewInterfaceName();
        Keys = keys ?? WireGuardKeys.Generate();
        PrivateKeyFile = host.Topology.WriteSecret($"{Name}.key", Keys.PrivateKey);
        Process = StartProcess();
        Set("private-key", PrivateKeyFile, "listen-port", "0");
    }

    /// <summary>The host that the device runs on.</summary>
    public Host Host { get; }

    /// <summary>The name of its interface, unique on this machine.</summary>
    public string Name { get; }

    /// <summary>Its own keys.</summary>
    public WireGuardKeys Keys { get; }

    /// <summary>A file with the private key, as <c>wg genkey</c> prints it.</summary>
    public string PrivateKeyFile { get; }

    /// <summary>The program that is the device.</summary>
    public RunningProcess Process { get; private set; }

    /// <summary>Its UAPI socket.</summary>
    public string SocketPath => Path.Combine(Remains.SocketFolder, $"{Name}.sock");

    /// <summary>Its UDP port.</summary>
    public int ListenPort => int.Parse(Show("listen-port").Trim(), CultureInfo.InvariantCulture);

    /// <summary>Its peers, as they are now.</summary>
    public IReadOnlyList<PeerStatus> Peers =>
        [.. Show("dump").Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(PeerStatus.Parse)];

    /// <summary>Starts the distribution's wireguard-go, or another one, and gives it keys and a port of the kernel's choice.</summary>
    /// <exception cref="CommandException">It did not come up within 30 seconds.</exception>
    public static DeviceProcess StartWireGuardGo(Host host, WireGuardKeys? keys = null, string program = "wireguard-go") =>
        new(host, keys, name => new Command(program, "-f", name) { Environment = new Dictionary<string, string> { ["LOG_LEVEL"] = "error" } });

    /// <summary>Starts <c>kedge wg</c> and gives it keys and a port of the kernel's choice.</summary>
    /// <param name="host">Where.</param>
    /// <param name="program">The program's path.</param>
    /// <param name="keys">Its keys; null for new ones.</param>
    /// <param name="options">Further options of <c>kedge wg</c>.</param>
    /// <exception cref="CommandException">It did not come up within 30 seconds.</exception>
    public static DeviceProcess StartKedge(Host host, string program, WireGuardKeys? keys = null, params string[] options) =>
        new(host, keys, name => new Command([program, "wg", name, "--state-dir", host.Topology.TempFolder, .. options]));

    /// <summary>Runs <c>wg set</c> for this device.</summary>
    /// <exception cref="CommandException">The device or <c>wg</c> refused.</exception>
    public void Set(params string[] arguments) => Topology.RunHere(new Command(["wg", "set", Name, .. arguments]));

    /// <summary>Runs <c>wg show</c> for this device.</summary>
    /// <param name="field">Such as <c>dump</c> or <c>latest-handshakes</c>.</param>
    /// <exception cref="CommandException">The device or <c>wg</c> refused.</exception>
    public string Show(string field) => Topology.RunHere(new Command("wg", "show", Name, field)).Output;

    /// <summary>Gives the interface its addresses and its MTU, and sets it up.</summary>
    public void SetUp(string[] addresses, int mtu = 1420)
    {
        ArgumentNullException.ThrowIfNull(addresses);
        Host.SetUp(Name, addresses, mtu);
    }

    /// <summary>Makes another device a peer of this one.</summary>
    /// <param name="peer">The other device.</param>
    /// <param name="allowedIps">The prefixes that are the peer's.</param>
    /// <param name="endpoint">The peer's <c>ADDRESS:PORT</c>; null where the peer is to come by itself.</param>
    /// <param name="presharedKey">The preshared key in base64; null for none.</param>
    /// <param name="persistentKeepalive">In seconds; 0 for none.</param>
    /// <exception cref="CommandException">The device or <c>wg</c> refused.</exception>
    public void AddPeer(
        DeviceProcess peer, string[] allowedIps, string? endpoint = null, string? presharedKey = null, int persistentKeepalive = 0)
    {
        ArgumentNullException.ThrowIfNull(peer);
        string[] psk = presharedKey is null ? [] : ["preshared-key", Host.Topology.WriteSecret($"{Name}.{peer.Name}.psk", presharedKey)];
        string[] where = endpoint is null ? [] : ["endpoint", endpoint];
        Set(
        [
            "peer", peer.Keys.PublicKey, .. psk, .. where,
            "persistent-keepalive", persistentKeepalive.ToString(CultureInfo.InvariantCulture),
            "allowed-ips", string.Join(',', allowedIps),
        ]);
    }

    /// <summary>
    /// Ends the program at once and starts it again. It is as empty as at its first start: no peers, no addresses, another port; but for
    /// the keys.
    /// </summary>
    public void Restart()
    {
        Process.Kill();
        File.Delete(SocketPath);
        Process = StartProcess();
        Set("private-key", PrivateKeyFile, "listen-port", "0");
    }

    /// <inheritdoc/>
    public void Dispose() => Process.Dispose();

    private RunningProcess StartProcess()
    {
        Command command = _start(Name);
        RunningProcess process = Host.Start(command);
        if (!Wait.TryUntil(() => process.HasExited || IsListening(), StartTimeout))
            throw new CommandException(command, $"on {Host}", $"no socket after {StartTimeout.TotalSeconds} s", process.Kill());
        if (process.HasExited)
            throw new CommandException(command, $"on {Host}", process.Kill());
        return process;
    }

    /// <summary>
    /// Whether the device can be configured. A socket's file is there before anybody listens on it, and then <c>wg</c> would remove it.
    /// </summary>
    private bool IsListening()
    {
        if (!File.Exists(SocketPath))
            return false;
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(SocketPath));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
