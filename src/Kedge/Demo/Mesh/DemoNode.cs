using System.Text.Json;

namespace Kedge.Demo.Mesh;

/// <summary>A member of a zone: a host on which <c>kedge up</c> runs.</summary>
public sealed class DemoNode
{
    private readonly string _program;
    private readonly string[] _places;

    private DemoNode(Host host, string program, string zone, string joinFile, string[] options)
    {
        (Host, Zone, _program) = (host, zone, program);
        InterfaceName = host.Topology.NewInterfaceName();
        string folder = Path.Combine(host.Topology.TempFolder, host.Label);
        _places = ["--state-dir", Path.Combine(folder, "state"), "--run-dir", Path.Combine(folder, "run")];
        Process = host.Start([program, "up", "--interface", InterfaceName, "--name", host.Label, "--join-file", joinFile, .. _places, .. options]);
    }

    /// <summary>Where it runs; its label is the node's name.</summary>
    public Host Host { get; }

    /// <summary>The zone's name.</summary>
    public string Zone { get; }

    /// <summary>Its overlay interface.</summary>
    public string InterfaceName { get; }

    /// <summary><c>kedge up</c>.</summary>
    public RunningProcess Process { get; }

    /// <summary>Has a host join a zone.</summary>
    /// <param name="host">The host.</param>
    /// <param name="program">The path of the program <c>kedge</c>.</param>
    /// <param name="controller">The controller, which makes the token.</param>
    /// <param name="zone">The zone's name.</param>
    /// <param name="options">More options of <c>kedge up</c>.</param>
    public static DemoNode Join(Host host, string program, DemoController controller, string zone, params string[] options)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(controller);
        return new DemoNode(host, program, zone, controller.NewJoinFile(zone, host.Label), options);
    }

    /// <summary>Has a host join a zone and relay in it.</summary>
    /// <inheritdoc cref="Join"/>
    public static DemoNode JoinRelay(Host host, string program, DemoController controller, string zone, params string[] options)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(controller);
        return new DemoNode(host, program, zone, controller.NewJoinFile(zone, host.Label, "--relay"), ["--relay", .. options]);
    }

    /// <summary>What the node tells of itself.</summary>
    /// <exception cref="CommandException">There is nothing to tell.</exception>
    public string Status(params string[] options) =>
        Host.Run([_program, "status", InterfaceName, .. _places, .. options]).Output;

    /// <summary>How the node says that it reaches its peers: <c>direct</c>, for example, by the peer's name.</summary>
    /// <exception cref="CommandException">It does not say.</exception>
    public IReadOnlyDictionary<string, string> PathStates() => OfPaths(path => path.GetProperty("state").GetString()!);

    /// <summary>By whom the node says that it reaches its peers, by the peer's name; null where it is nobody.</summary>
    /// <exception cref="CommandException">It does not say.</exception>
    public IReadOnlyDictionary<string, string?> Relays() =>
        OfPaths(path => path.TryGetProperty("relay", out JsonElement relay) ? relay.GetString() : null);

    /// <summary>Ends the node's processes and removes what it has made on its host.</summary>
    /// <exception cref="CommandException">It failed.</exception>
    public void Down() => Host.Run([_program, "down", "--interface", InterfaceName, .. _places]);

    private Dictionary<string, T> OfPaths<T>(Func<JsonElement, T> read)
    {
        using var status = JsonDocument.Parse(Status("--json"));
        return status.RootElement.GetProperty("node").GetProperty("peers").EnumerateArray().ToDictionary(
            peer => peer.GetProperty("name").GetString()!, peer => read(peer.GetProperty("path")));
    }
}
