using System.Text.Json;
using Kedge.Demo;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.Node.Uapi;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.SystemTests.Mesh;

/// <summary>A node on a machine of its own: <c>kedge up</c> with its folders.</summary>
/// <param name="mesh">The network.</param>
/// <param name="host">The machine.</param>
/// <param name="label">What the test calls it.</param>
/// <param name="name">The name that the node asks for; null for the label.</param>
internal sealed class MeshNode(MeshNetwork mesh, Host host, string label, string? name = null)
{
    public const string Interface = "kedge0";

    public Host Host { get; } = host;

    public string Label { get; } = label;

    public string StateDirectory { get; } = Path.Combine(mesh.Net.TempFolder, $"{label}-state");

    public NodeFolder Folder => new(StateDirectory, Interface);

    public RunFolder Run => new(RunDirectory, Interface);

    /// <summary>The process in front.</summary>
    public RunningProcess? Supervisor { get; private set; }

    /// <summary>The addresses that the node has in its zone, IPv4 first.</summary>
    public IReadOnlyList<string> Addresses => Membership.Read(Folder)!.Addresses;

    /// <summary>Its IPv4 address.</summary>
    public string Address => Addresses.First(address => !address.Contains(':', StringComparison.Ordinal));

    /// <summary>The node process; null where none runs.</summary>
    public ProcessIdentity? NodeProcess => UapiClient.FindProcess(RuntimeDirectory, Interface);

    /// <summary>The control link; null where none runs.</summary>
    public ProcessIdentity? ControlLink => ProcessLock.Holder(Run.LinkLock);

    private string RunDirectory { get; } = Path.Combine(mesh.Net.TempFolder, $"{label}-run");

    private string RuntimeDirectory { get; } = Path.Combine(mesh.Net.TempFolder, $"{label}-wg");

    /// <summary>Runs <c>kedge up</c> and waits until it says that it is up.</summary>
    public void Up(params string[] arguments)
    {
        Start(arguments);
        Supervisor!.WaitForLine("is up: node", MeshNetwork.Patience);
    }

    /// <summary>Runs <c>kedge up</c>.</summary>
    public RunningProcess Start(params string[] arguments) =>
        Supervisor = Host.Start(Call(["up", "--name", name ?? Label, "--interface", Interface, .. arguments]));

    /// <summary>Runs a command of the node to its end, whatever its exit code.</summary>
    public CommandResult Try(params string[] arguments) => Host.TryRun(Call(arguments));

    /// <summary>What <c>kedge status --json</c> says of the node, whether or not it runs.</summary>
    public JsonElement StatusJson()
    {
        using var json = JsonDocument.Parse(Try("status", Interface, "--json").Output);
        return json.RootElement.GetProperty("node").Clone();
    }

    /// <summary>What the node process tells; no secrets are in it.</summary>
    public DeviceStatus DeviceStatus() => UapiClient.GetStatus(RuntimeDirectory, Interface);

    /// <summary>What the control link tells; null where it does not answer.</summary>
    public LinkStatus? LinkStatus() => StatusSocket.Ask(Run.StatusSocket);

    /// <summary>The public key of an installed peer; null where the control link knows none of the name.</summary>
    public string? KeyOf(string name) => LinkStatus()?.Peers.SingleOrDefault(peer => peer.Name == name)?.PublicKey;

    /// <summary>Where the node process reaches a peer: <c>ADDRESS:PORT</c>.</summary>
    public string EndpointOf(string name)
    {
        string key = KeyOf(name)!;
        return DeviceStatus().Peers.Single(peer => peer.PublicKey.ToString() == key).Endpoint.ToString();
    }

    /// <summary>Waits until this node and another reach each other's address.</summary>
    public void AwaitReach(MeshNode other) => AwaitReach(other.Address);

    /// <summary>Waits until an address answers.</summary>
    public void AwaitReach(string address) => Wait.Until(
        () => Host.TryRun("ping", "-n", "-c", "1", "-W", "1", address).Succeeded, MeshNetwork.Patience, $"an answer from {address} to {Label}");

    /// <summary>Ends a process of this node at once.</summary>
    public static void Kill(ProcessIdentity? process)
    {
        using ProcessHandle? handle = ProcessHandle.Open(process!.Value);
        handle!.Signal(Kedge.Linux.Namespaces.ProcessSignal.Kill);
        handle.WaitForExit(MeshNetwork.Patience);
    }

    /// <summary>A call of the program with this node's folders.</summary>
    public Command Call(params string[] arguments) => new([Repository.Program, .. arguments])
    {
        Environment = new Dictionary<string, string>
        {
            ["KEDGE_STATE_DIR"] = StateDirectory,
            ["KEDGE_RUN_DIR"] = RunDirectory,
            ["KEDGE_RUNTIME_DIR"] = RuntimeDirectory,
        },
    };
}
