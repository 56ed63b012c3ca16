using Kedge.Demo;
using Kedge.Linux.Namespaces;
using Kedge.Node.Uapi;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.SystemTests.Device;

/// <summary>
/// Two hosts on one cable: Kedge belongs on a, the distribution's wireguard-go on b. Outside the tunnel they are 10.1.0.1 and 10.1.0.2,
/// inside 192.168.7.1 and 192.168.7.2, fd07::1 and fd07::2.
/// </summary>
public sealed class TwoHosts : IDisposable
{
    public const string InnerA = "192.168.7.1", InnerB = "192.168.7.2", Inner6A = "fd07::1", Inner6B = "fd07::2";
    public const string OuterA = "10.1.0.1", OuterB = "10.1.0.2";

    /// <summary>How long anything may take on a machine that has much else to do.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public TwoHosts()
    {
        Net = Topology.Create();
        (A, B) = (Net.AddHost("a"), Net.AddHost("b"));
        Cable = Net.Connect(A, B, [$"{OuterA}/24"], [$"{OuterB}/24"]);
        // Kedge tells its two names apart by how it was called, so the link's own name is what matters.
        Directory.CreateDirectory(Programs);
        Daemon = Path.Combine(Programs, "kedge-wg");
        File.CreateSymbolicLink(Daemon, Repository.Program);
    }

    public Topology Net { get; }

    public Host A { get; }

    public Host B { get; }

    public Link Cable { get; }

    /// <summary>A folder with programs of this test.</summary>
    public string Programs => Path.Combine(Net.TempFolder, "bin");

    /// <summary>The published program under the name by which wg-quick calls it.</summary>
    public string Daemon { get; }

    /// <summary>Where daemons keep their state.</summary>
    public string State => Path.Combine(Net.TempFolder, "state");

    /// <summary>The processes on host a.</summary>
    public IReadOnlyList<int> ProcessesOfA => A.Namespace.ProcessIds();

    /// <summary>The UAPI socket of an interface.</summary>
    public static string SocketOf(string name) => Path.Combine(UapiSocket.DefaultDirectory, $"{name}.sock");

    /// <summary>Calls <c>kedge-wg</c> on host a, with state in <see cref="State"/>.</summary>
    public Command DaemonCommand(params string[] arguments) =>
        new([Daemon, .. arguments]) { Environment = new Dictionary<string, string> { ["KEDGE_STATE_DIR"] = State } };

    /// <summary>The program behind a script that first runs some lines of shell, in a mount namespace of its own.</summary>
    public string Behind(string lines)
    {
        string path = Path.Combine(Programs, "kedge-behind-a-script");
        File.WriteAllText(path, $"#!/bin/sh\nset -e\n{lines}\nexec '{Repository.Program}' \"$@\"\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>Starts wireguard-go on host b, with its addresses.</summary>
    public DeviceProcess StartOther()
    {
        DeviceProcess other = DeviceProcess.StartWireGuardGo(B);
        other.SetUp([$"{InnerB}/24", $"{Inner6B}/64"]);
        return other;
    }

    /// <summary>Starts <c>kedge wg</c> on host a, with its addresses, as the initiator towards <paramref name="other"/>.</summary>
    public DeviceProcess StartKedge(DeviceProcess other, string? program = null, WireGuardKeys? keys = null, string? presharedKey = null)
    {
        DeviceProcess kedge = DeviceProcess.StartKedge(A, program ?? Repository.Program, keys);
        kedge.SetUp([$"{InnerA}/24", $"{Inner6A}/64"]);
        other.AddPeer(kedge, [$"{InnerA}/32", $"{Inner6A}/128"], presharedKey: presharedKey);
        kedge.AddPeer(other, [$"{InnerB}/32", $"{Inner6B}/128"], $"{OuterB}:{other.ListenPort}", presharedKey);
        return kedge;
    }

    /// <summary>Waits until a ping from host a is answered through the tunnel.</summary>
    public void AwaitTunnel(string address = InnerB) => AwaitTunnel(A, address);

    /// <summary>Waits until a ping is answered through the tunnel.</summary>
    public static void AwaitTunnel(Host from, string address) =>
        Wait.Until(() => Ping.Run(from, address, count: 1, patience: Ping.Brief).AllReceived, Patience, $"an answer from {address} to {from}");

    /// <summary>Whether a host has an interface.</summary>
    public static bool HasInterface(Host host, string name) =>
        host.Namespace.Run(() => File.ReadAllLines("/proc/thread-self/net/dev"))
            .Any(line => line.Trim().StartsWith($"{name}:", StringComparison.Ordinal));

    /// <summary>What a device tells about itself; no secrets are in it.</summary>
    public static DeviceStatus StatusOf(string name) => UapiClient.GetStatus(UapiSocket.DefaultDirectory, name);

    /// <summary>What is left of a device on a host: its socket and its interface, by name.</summary>
    public static string Remains(Host host, string name) =>
        (File.Exists(SocketOf(name)) ? "socket " : "") + (HasInterface(host, name) ? "interface" : "");

    /// <summary>Asks a device to end, and waits for as long as a busy machine takes.</summary>
    public static CommandResult End(DeviceProcess device)
    {
        device.Process.Signal(ProcessSignal.Terminate);
        return device.Process.WaitForExit(Patience);
    }

    /// <summary>Waits until a process that is no child of ours has ended, and all its threads, so that all it held is closed.</summary>
    public static void AwaitEnd(int processId) => Wait.Until(() => HasEnded(processId), Patience, $"the end of process {processId}");

    public void Dispose() => Net.Dispose();

    private static bool HasEnded(int processId)
    {
        try
        {
            // Its first thread stays listed until somebody has asked how it ended.
            return !Topologies.Leftovers.Runs(processId) && Directory.GetDirectories($"/proc/{processId}/task").Length <= 1;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
    }
}
