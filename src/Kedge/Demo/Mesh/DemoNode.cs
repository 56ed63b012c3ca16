namespace Kedge.Demo.Mesh;

/// <summary>A member of a zone: a host on which <c>kedge up</c> runs.</summary>
public sealed class DemoNode
{
    private readonly string _program;
    private readonly string[] _places;

    private DemoNode(Host host, string program, string zone)
    {
        (Host, Zone, _program) = (host, zone, program);
        InterfaceName = host.Topology.NewInterfaceName();
        string folder = Path.Combine(host.Topology.TempFolder, host.Label);
        _places = ["--state-dir", Path.Combine(folder, "state"), "--run-dir", Path.Combine(folder, "run")];
    }

    /// <summary>Where it runs; its label is the node's name.</summary>
    public Host Host { get; }

    /// <summary>The zone's name.</summary>
    public string Zone { get; }

    /// <summary>Its overlay interface.</summary>
    public string InterfaceName { get; }

    /// <summary>Has a host join a zone.</summary>
    /// <param name="host">The host.</param>
    /// <param name="program">The path of the program <c>kedge</c>.</param>
    /// <param name="controller">The controller, which makes the token.</param>
    /// <param name="zone">The zone's name.</param>
    /// <param name="options">More options of <c>kedge up</c>.</param>
    public static DemoNode Join(Host host, string program, DemoController controller, string zone, params string[] options)
    {
        var node = new DemoNode(host, program, zone);
        string joinFile = controller.NewJoinFile(zone, host.Label);
        host.Start(
            [program, "up", "--interface", node.InterfaceName, "--name", host.Label, "--join-file", joinFile, .. node._places, .. options]);
        return node;
    }

    /// <summary>What the node tells of itself.</summary>
    /// <exception cref="CommandException">There is nothing to tell.</exception>
    public string Status(params string[] options) =>
        Host.Run([_program, "status", InterfaceName, .. _places, .. options]).Output;

    /// <summary>Ends the node's processes and removes what it has made on its host.</summary>
    /// <exception cref="CommandException">It failed.</exception>
    public void Down() => Host.Run([_program, "down", "--interface", InterfaceName, .. _places]);
}
