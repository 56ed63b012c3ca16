using Kedge.Demo;
using Kedge.SystemTests.Wg;

namespace Kedge.SystemTests.Device;

/// <summary>
/// <c>kedge wg</c> with a persistent interface and state on disk, to be killed and started again. The topology ends it and removes what it
/// leaves, namespaces and all.
/// </summary>
internal sealed class PersistentDevice
{
    private readonly string[] _options;

    private PersistentDevice(Host host, string name, string[] options)
    {
        (Host, Name, _options) = (host, name, options);
        Keys = WireGuardKeys.Generate();
        KeyFile = host.Topology.WriteSecret($"{name}.key", Keys.PrivateKey);
        Process = null!;
        Start();
    }

    public Host Host { get; }

    public string Name { get; }

    public WireGuardKeys Keys { get; }

    public string KeyFile { get; }

    public RunningProcess Process { get; private set; }

    public string StateFolder => Path.Combine(Host.Topology.TempFolder, "state", Name);

    public string StateFile => Path.Combine(StateFolder, "node.json");

    public string SocketPath => TwoHosts.SocketOf(Name);

    public int ListenPort => int.Parse(Show("listen-port"), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Starts a device on a host.</summary>
    /// <param name="host">The host; the UDP port is on it.</param>
    /// <param name="options">Such as <c>--restore</c>; <c>--persistent</c> goes without saying.</param>
    public static PersistentDevice Start(Host host, params string[] options) =>
        new(host, host.Topology.NewInterfaceName(), options);

    public static Command Call(Host host, string name, params string[] options) => new([Repository.Program, "wg", name, .. options])
    {
        Environment = new Dictionary<string, string> { ["KEDGE_STATE_DIR"] = Path.Combine(host.Topology.TempFolder, "state") },
    };

    /// <summary>Starts the process again; the last one has ended.</summary>
    public void Start()
    {
        Process = Host.Start(Call(Host, Name, ["--persistent", "--private-key-file", KeyFile, .. _options]));
        Process.WaitForLine("Ready to be configured", TwoHosts.Patience);
    }

    public void Kill() => Process.Kill();

    public void Set(params string[] arguments) => Host.Run(["wg", "set", Name, .. arguments]);

    public string Show(string field) => Host.Run("wg", "show", Name, field).Output.Trim();

    public void AddPeer(string publicKey, string allowedIps, string endpoint, params string[] more) =>
        Set(["peer", publicKey, "allowed-ips", allowedIps, "endpoint", endpoint, .. more]);

    /// <summary>Sends a request to the configuration socket and returns the answer.</summary>
    public string Ask(string request) => UapiClient.Ask(SocketPath, request);
}
