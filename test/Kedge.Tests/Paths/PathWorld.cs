using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;
using Kedge.Tests.WireGuard;

namespace Kedge.Tests.Paths;

/// <summary>A datagram that a node has sent.</summary>
/// <param name="Time">When.</param>
/// <param name="Kind">What it is.</param>
/// <param name="To">Where to.</param>
/// <param name="TimeToLive">Its time to live; 0 for the usual one.</param>
/// <param name="Bytes">The datagram.</param>
internal sealed record Sent(Instant Time, DatagramKind Kind, Endpoint To, byte TimeToLive, byte[] Bytes);

/// <summary>Nodes, NATs, two routers between each two NATs, and a controller that introduces nodes, on a virtual clock.</summary>
internal sealed class PathWorld : IDisposable
{
    public static readonly DateTimeOffset WallClock = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private const int Routers = 2;

    private static readonly Endpoint StunServer = Endpoint.Parse("203.0.113.250:3478");

    private readonly Timeline _timeline = new();
    private readonly Random _random;
    private readonly List<PathNode> _nodes = [];

    public PathWorld(int seed = 1)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"Seed {seed}.");
        _random = new Random(seed);
        // Times of 0 mean never in places.
        _timeline.Run(TimeSpan.FromSeconds(10), () => Instant.Never, () => { });
    }

    public Instant Now => _timeline.Now;

    /// <summary>The share of datagrams that are lost.</summary>
    public double Loss { get; set; }

    /// <summary>How long a datagram is under way.</summary>
    public TimeSpan Delay { get; set; } = TimeSpan.FromMilliseconds(10);

    /// <summary>How much longer a datagram that a node sends to an endpoint is under way.</summary>
    public Func<PathNode, Endpoint, TimeSpan> Detour { get; set; } = (_, _) => TimeSpan.Zero;

    /// <summary>How much longer it is under way at most, so that some overtake others.</summary>
    public TimeSpan Jitter { get; set; }

    /// <summary>Datagrams for which this is true never arrive.</summary>
    public Func<PathNode, Endpoint, bool> Loses { get; set; } = (_, _) => false;

    /// <summary>Bytes of the longest IP packet that arrives, over IPv4.</summary>
    public int Carries { get; set; } = 1500;

    public void Fill(Span<byte> bytes) => _random.NextBytes(bytes);

    public PathNode AddNode(string name, string address, VirtualNat? nat = null)
    {
        var node = new PathNode(this, name, _nodes.Count + 1, Endpoint.Parse(address), nat);
        _nodes.Add(node);
        return node;
    }

    public static void Connect(PathNode a, PathNode b)
    {
        a.AddPeer(b);
        b.AddPeer(a);
    }

    /// <summary>Makes a node a relay for others.</summary>
    public static void Join(PathNode relay, params ReadOnlySpan<PathNode> nodes)
    {
        foreach (PathNode node in nodes)
            Connect(relay, node);
        relay.Paths.UseRelay(isOn: true, 0);
    }

    /// <summary>Two nodes behind NATs, and a relay that has a public address, which both have had the time to choose.</summary>
    public (PathNode A, PathNode B, PathNode Relay) AddApart(bool isSymmetric = true)
    {
        var natA = new VirtualNat(IpAddress.Parse("198.51.100.1"), Filtering.AddressAndPortDependent, isSymmetric);
        var natB = new VirtualNat(IpAddress.Parse("198.51.100.2"), Filtering.AddressAndPortDependent, isSymmetric);
        PathNode a = AddNode("a", "192.168.1.2:7000", natA), b = AddNode("b", "192.168.2.2:7001", natB);
        PathNode relay = AddNode("relay", "203.0.113.10:7000");
        Connect(a, b);
        Join(relay, a, b);
        a.AllowRelay(relay);
        b.AllowRelay(relay);
        Run(TimeSpan.FromSeconds(3));
        Assert.Equal(relay.Key, a.Paths.Home?.PublicKey);
        return (a, b, relay);
    }

    public static Endpoint ReflexiveOf(PathNode node) => node.Nat?.Leave(node.Address, StunServer) ?? node.Address;

    public void After(TimeSpan time, Action action) => _timeline.After(time, action);

    public void Every(TimeSpan interval, int times, Action<int> action) => _timeline.Every(interval, times, action);

    public void Run(TimeSpan time) => _timeline.Run(time, Deadline, Poll);

    public void RunUntil(Func<bool> condition, TimeSpan atMost) => _timeline.RunUntil(condition, atMost, Deadline, Poll);

    /// <summary>Tells the others where a node can be reached now.</summary>
    public void Tell(PathNode node) => After(2 * Delay, () =>
    {
        foreach (PathNode other in _nodes)
            if (other.Has(node))
                other.Paths.Offer(Now, node.Key, node.Told);
    });

    public void Introduce(PathNode from, IntroductionWish wish)
    {
        IReadOnlyList<PeerEndpoint> endpoints = from.Told;
        if (!from.IsIntroduced)
            from.Paths.IntroduceByPeers(wish.Peer, endpoints, wish.Opened);
        else if (_nodes.Find(node => node.Key == wish.Peer) is { } to)
            After(2 * Delay, () => to.Paths.Introduced(Now, from.Key, endpoints, wish.Opened));
    }

    /// <summary>Carries a datagram: through the sender's NAT, the routers, and the receiver's NAT.</summary>
    public void Carry(PathNode from, ReadOnlySpan<byte> datagram, Endpoint to, byte timeToLive)
    {
        byte[] bytes = datagram.ToArray();
        from.Log.Add(new Sent(Now, Datagram.Classify(bytes), to, timeToLive, bytes));
        if (bytes.Length + 28 > Carries || Loses(from, to) || _random.NextDouble() < Loss)
            return;
        TimeSpan delay = Delay + Detour(from, to) + Jitter * _random.NextDouble();
        if (StreamAddress.IsStream(to.Address))
        {
            PathNode? peer = _nodes.Find(node => StreamAddress.Of(node.Key) == to);
            if (from.HasStream && peer is { HasStream: true })
                After(delay, () => peer.Receive(bytes, StreamAddress.Of(from.Key)));
            return;
        }
        Endpoint local = from.AddressTowards(to);
        if (_nodes.Exists(node => node.Address == to && node.Nat == from.Nat))
        {
            After(delay, () => _nodes.Find(node => node.Address == to && node.Nat == from.Nat)?.Receive(bytes, local));
            return;
        }
        Endpoint source = from.Nat?.Leave(local, to) ?? local;
        if (timeToLive != 0 && timeToLive <= (from.Nat is null ? 0 : 1) + Routers)
            return;
        After(delay, () => Arrive(bytes, source, to));
    }

    public void Dispose()
    {
        foreach (PathNode node in _nodes)
            node.Dispose();
    }

    private void Arrive(byte[] datagram, Endpoint source, Endpoint to)
    {
        VirtualNat? nat = _nodes.Select(node => node.Nat).FirstOrDefault(nat => nat?.Outside == to.Address);
        if ((nat is null ? to : nat.Enter(to.Port, source)) is { } inside)
            _nodes.Find(node => (node.Address == inside || node.Ipv6 == inside) && node.Nat == nat)?.Receive(datagram, source);
    }

    private Instant Deadline() => _nodes.Count == 0 ? Instant.Never : _nodes.Min(node => node.Deadline);

    private void Poll()
    {
        foreach (PathNode node in _nodes)
            node.Poll();
    }
}
