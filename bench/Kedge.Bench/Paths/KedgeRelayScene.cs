using Kedge.Demo.Mesh;

namespace Kedge.Bench.Paths;

/// <summary>Two nodes of a zone and one that relays without a limit.</summary>
internal sealed class KedgeRelayScene : RelayScene
{
    private const string Zone = "bench";
    private const string FromAnybodyByUdp = "meta l4proto udp";
    private const string ByRelayStream = "by relay (TLS)";

    private static readonly string[] Streams = [ByRelayStream, "by the controller (TLS)"];

    private readonly DemoNode[] _nodes;
    private readonly DemoNode _a, _b;

    private KedgeRelayScene(string program)
    {
        DemoController controller = DemoController.Start(Add("controller", 1), program, AddressOf(1));
        controller.Administer("zone", "create", Zone, "--prefix", "10.62.0.0/24");
        // Where UDP is blocked, nodes go to the controller first, by TCP; it relays 100 Mbit/s for each, and so has to be away.
        _nodes =
        [
            DemoNode.JoinRelay(Relay, program, controller, Zone, "--relay-rate", "0", "--listen-port", "443"),
            _a = DemoNode.Join(A, program, controller, Zone),
            _b = DemoNode.Join(B, program, controller, Zone),
        ];
        foreach (DemoNode node in _nodes)
            node.Process.WaitForLine("is up: node", Patience);
        AddressOfB = controller.Addresses(Zone)["b"];
    }

    /// <inheritdoc/>
    public override string AddressOfB { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<RelayPath> Paths =>
    [
        new("Kedge, direct", () => Take("direct", [], [])),
        new("by a relay, UDP", () => Take("relayed", [$"ip saddr {AddressOf(4)} {FromAnybodyByUdp}"], [$"ip saddr {AddressOf(3)} {FromAnybodyByUdp}"]), "0.65 of direct"),
        new("by a relay, TLS", TakeStream, "0.2 of direct"),
    ];

    /// <summary>Builds it.</summary>
    public static KedgeRelayScene Open(string program) => new(program);

    /// <inheritdoc/>
    public override void Dispose()
    {
        foreach (DemoNode node in _nodes)
            node.Down();
        base.Dispose();
    }

    private void Take(string state, string[] droppedAtA, string[] droppedAtB)
    {
        Drop(A, droppedAtA);
        Drop(B, droppedAtB);
        WaitForAnswer($"a path that is {state}", () => IsAt(_a, "b") && IsAt(_b, "a"));

        // A node that has just come back to UDP may still have its stream.
        bool IsAt(DemoNode node, string peer) =>
            node.PathStates().GetValueOrDefault(peer) == state
            && node.Status() is var status
            && !Streams.Any(stream => status.Contains(stream, StringComparison.Ordinal));
    }

    private void TakeStream()
    {
        string[] dropped = [FromAnybodyByUdp, $"ip saddr {AddressOf(1)} meta l4proto tcp"];
        Drop(A, dropped);
        Drop(B, dropped);
        WaitForAnswer("a path by the relay's stream", () => IsByStream(_a) && IsByStream(_b));

        static bool IsByStream(DemoNode node) => node.Status().Contains(ByRelayStream, StringComparison.Ordinal);
    }
}
