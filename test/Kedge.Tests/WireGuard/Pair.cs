using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>
/// Two nodes, or more, that are each other's peers, on a virtual network and a virtual clock: hours pass in milliseconds, and the same
/// seed gives the same run, byte for byte.
/// <para>
/// Time passes only inside <see cref="Run"/> and <see cref="RunUntil"/>, from one event to the next: a datagram arrives, something that the
/// test has planned happens, or a node's deadline is reached. After each event the nodes that have something to do are polled.
/// </para>
/// </summary>
internal sealed class Pair : IDisposable
{
    /// <summary>The right time of day when the virtual clock is at 0.</summary>
    public static readonly DateTimeOffset RightTimeAtStart = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Timeline _timeline = new();
    private readonly List<Node> _nodes = [];
    private long _polledAtStep;
    private int _pollsAtThisStep;

    /// <summary>Makes two nodes that do not know each other.</summary>
    /// <param name="seed">Decides all keys, all randomness of the devices, and what the network does.</param>
    /// <param name="timing">The specification's times unless a test wants others.</param>
    public Pair(int seed = 1, Timing? timing = null)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"Seed {seed}.");
        Random = new Random(seed);
        Timing = timing ?? Timing.Default;
        Network = new VirtualNetwork(_timeline, new Random(Random.Next()));
        A = AddNode("A");
        B = AddNode("B");
    }

    /// <summary>
    /// How many times nodes may be due again at once without anything else happening: more would be a thread that spins. Real threads, which
    /// ask while the virtual clock stands, may do so any number of times.
    /// </summary>
    public int MaximumPollsAtOneInstant { get; set; } = 1000;

    /// <summary>Makes two nodes that know each other's key and endpoint.</summary>
    public static Pair Connected(
        int seed = 1, Timing? timing = null, byte[]? presharedKey = null, TimeSpan keepaliveOfA = default, TimeSpan keepaliveOfB = default)
    {
        var pair = new Pair(seed, timing);
        pair.A.AddPeer(pair.B, presharedKey: presharedKey, persistentKeepalive: keepaliveOfA);
        pair.B.AddPeer(pair.A, presharedKey: presharedKey, persistentKeepalive: keepaliveOfB);
        return pair;
    }

    /// <summary>
    /// Makes two nodes with a session that A has initiated, confirmed and idle, and an eavesdropper who has not seen it begin.
    /// </summary>
    public static Pair InSession(int seed = 1, Timing? timing = null, byte[]? presharedKey = null)
    {
        Pair pair = Connected(seed, timing, presharedKey);
        pair.Handshake();
        pair.Eavesdropper.Forget();
        return pair;
    }

    /// <summary>One end.</summary>
    public Node A { get; }

    /// <summary>The other end.</summary>
    public Node B { get; }

    /// <summary>What lies between.</summary>
    public VirtualNetwork Network { get; }

    /// <inheritdoc cref="VirtualNetwork.Eavesdropper"/>
    public Eavesdropper Eavesdropper => Network.Eavesdropper;

    /// <summary>The times that the devices keep.</summary>
    public Timing Timing { get; }

    /// <summary>Where the devices get their randomness.</summary>
    public Random Random { get; }

    /// <summary>The time.</summary>
    public Instant Now => _timeline.Now;

    /// <summary>Adds a node that nobody knows yet.</summary>
    /// <param name="name">What failures call it.</param>
    /// <param name="timing">The times that it keeps, if not those of the others.</param>
    public Node AddNode(string name, Timing? timing = null)
    {
        var node = new Node(this, name, _nodes.Count + 1, timing ?? Timing);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Lets A initiate a session with B, which both ends have then.</summary>
    public void Handshake()
    {
        A.TunnelTo(B).RequestHandshake();
        RunUntil(() => HaveSession, Timing.RekeyTimeout * 2);
    }

    /// <summary>Whether both ends would send in the same session.</summary>
    public bool HaveSession =>
        A.TunnelTo(B).Keys.Current is { } a
        && B.TunnelTo(A).Keys.Current is { } b
        && (a.LocalIndex, a.RemoteIndex) == (b.RemoteIndex, b.LocalIndex)
        && !a.IsExpired(Now)
        && !b.IsExpired(Now);

    /// <summary>Sends a numbered packet from one node's IPv4 address to another's.</summary>
    public static void Send(Node from, Node to, ulong number = 0, int length = 100) =>
        from.Send(TestPacket.Make(from.IPv4, to.IPv4, number, length));

    /// <inheritdoc cref="Timeline.Every"/>
    public void Every(TimeSpan interval, int times, Action<int> action) => _timeline.Every(interval, times, action);

    /// <inheritdoc cref="Timeline.After"/>
    public void After(TimeSpan time, Action action) => _timeline.After(time, action);

    /// <summary>Lets time pass.</summary>
    public void Run(TimeSpan time) => _timeline.Run(time, Deadline, PollNodes);

    /// <inheritdoc cref="Timeline.RunUntil"/>
    public void RunUntil(Func<bool> condition, TimeSpan atMost) => _timeline.RunUntil(condition, atMost, Deadline, PollNodes);

    public void Dispose()
    {
        foreach (Node node in _nodes)
            node.Dispose();
    }

    private Instant Deadline() => _nodes.Aggregate(Instant.Never, (next, node) => Instant.Earlier(next, node.WakeAt));

    private void PollNodes()
    {
        if (_polledAtStep != _timeline.Steps)
            (_polledAtStep, _pollsAtThisStep) = (_timeline.Steps, 0);
        foreach (Node node in _nodes)
        {
            if (node.WakeAt > Now)
                continue;
            node.Poll();
            if (++_pollsAtThisStep > MaximumPollsAtOneInstant)
                Assert.Fail($"{node.Name} asks to be polled at {Now} again and again.");
        }
    }
}
