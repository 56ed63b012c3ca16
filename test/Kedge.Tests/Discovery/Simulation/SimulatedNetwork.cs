using System.Security.Cryptography;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Discovery.Simulation;

/// <summary>
/// Nodes of a network without a controller on a virtual clock. Two of them have a session a while after each has the other installed as a peer, and
/// one knows where the other is; a knock makes both do so. Frames are carried over sessions, or lost.
/// </summary>
internal sealed class SimulatedNetwork : IDisposable
{
    public static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly PriorityQueue<(SimulatedNode? Node, Action? Action), (long Time, long Order)> _events = new();
    private readonly Dictionary<PublicKey, SimulatedNode> _byKey = [];
    private readonly ECDsa _masterKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _sharedKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly SimulationChecks? _cheap;
    private long _order;
    private int _places;

    /// <summary>Begins with no nodes.</summary>
    /// <param name="seed">Of all that is random.</param>
    /// <param name="isCheap">Whether nothing is signed or verified, see <see cref="SimulationChecks"/>.</param>
    public SimulatedNetwork(int seed, bool isCheap = false)
    {
        Random = new Random(seed);
        _cheap = isCheap ? new SimulationChecks() : null;
        Master = CertificateAuthority.CreateMaster("master", _masterKey, NextSerial(), Start.AddDays(-1), Start.AddYears(20));
        Trust = NetworkTrust.Create(Master.Certificate.NetworkId, [Master.Certificate.Der.ToArray()], []);
    }

    public Random Random { get; }

    public CertificateAuthority Master { get; }

    public NetworkTrust Trust { get; }

    public List<SimulatedNode> Nodes { get; } = [];

    /// <summary>Those that run.</summary>
    public IEnumerable<SimulatedNode> Alive => Nodes.Where(node => node.IsRunning);

    public Instant Now { get; private set; } = new(TimeSpan.TicksPerHour);

    public DateTimeOffset Time => Start + (Now - new Instant(TimeSpan.TicksPerHour));

    /// <summary>How long a datagram is under way.</summary>
    public TimeSpan Delay { get; set; } = TimeSpan.FromMilliseconds(10);

    /// <summary>How much longer at most.</summary>
    public TimeSpan Jitter { get; set; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The share of datagrams that are lost.</summary>
    public double Loss { get; set; }

    /// <summary>Whether a node can knock at another one whose endpoint it knows, when nobody has introduced them.</summary>
    public bool AllowsKnocks { get; set; } = true;

    /// <summary>How long a session lasts of whose other end nothing comes.</summary>
    public TimeSpan SessionTime { get; set; } = TimeSpan.FromMinutes(3);

    /// <summary>How many frames were sent.</summary>
    public long Messages { get; set; }

    /// <summary>How many bytes they had.</summary>
    public long Bytes { get; set; }

    /// <summary>How many sessions were made.</summary>
    public long Sessions { get; set; }

    public SerialNumber NextSerial() => SerialNumber.Create(Random.NextBytes);

    /// <summary>Adds a node, which runs.</summary>
    /// <param name="tags">Tags of its certificate.</param>
    /// <param name="childPrefixes">Networks behind it.</param>
    public SimulatedNode Add(string[]? tags = null, string[]? childPrefixes = null)
    {
        int number = Nodes.Count + 1;
        byte[] key = new byte[PublicKey.Size];
        Random.NextBytes(key);
        ECDsa identity = _cheap is null ? ECDsa.Create(ECCurve.NamedCurves.nistP256) : _sharedKey;
        NodeCertificate certificate = Certify(number, PublicKey.FromBytes(key), identity, tags ?? [], childPrefixes ?? []);
        var node = new SimulatedNode(this, certificate, identity, _cheap) { IsKeyShared = _cheap is not null };
        Nodes.Add(node);
        _byKey.Add(node.Key, node);
        node.Run();
        return node;
    }

    public void Add(int count)
    {
        for (int i = 0; i < count; i++)
            Add();
    }

    public NodeCertificate Certify(int number, PublicKey key, ECDsa identity, string[] tags, string[] childPrefixes) => Master.CertifyNode(
        new NodeSubject
        {
            Name = $"node-{number}",
            ZoneId = NetworkZone.IdOf(Master.Certificate.NetworkId),
            IdentityKey = P256PublicKey.Of(identity),
            WireGuardKey = key,
            Addresses = [IpAddress.IPv4(0x0A400000 + (uint)number)],
            Tags = tags,
            ChildPrefixes = [.. childPrefixes.Select(prefix => IpPrefix.Parse(prefix))],
        },
        NextSerial(),
        Start.AddHours(-1),
        Start.AddYears(1));

    public SimulatedNode? Find(PublicKey key) => _byKey.GetValueOrDefault(key);

    /// <summary>A place where no node has been.</summary>
    public Endpoint NextPlace() => new(IpAddress.IPv4(0xCB007100 + (uint)++_places), 7891);

    /// <summary>Has each knock at the next.</summary>
    public void KnockInLine()
    {
        for (int i = 1; i < Nodes.Count; i++)
            Nodes[i - 1].Knock(Nodes[i]);
    }

    /// <summary>Has each but the first knock at any one of those before it.</summary>
    public void KnockAtRandom()
    {
        for (int i = 1; i < Nodes.Count; i++)
            Nodes[i].Knock(Nodes[Random.Next(i)]);
    }

    public void After(TimeSpan time, Action action) => _events.Enqueue((null, action), ((Now + time).Ticks, _order++));

    public void WakeAt(Instant time, SimulatedNode node) => _events.Enqueue((node, null), (Math.Max(time.Ticks, Now.Ticks), _order++));

    public bool IsLost() => Loss > 0 && Random.NextDouble() < Loss;

    public TimeSpan NextDelay() => Delay + Jitter * Random.NextDouble();

    /// <summary>Lets time pass.</summary>
    public void Run(double seconds)
    {
        Instant end = Now + TimeSpan.FromSeconds(seconds);
        while (_events.TryPeek(out (SimulatedNode? Node, Action? Action) next, out (long Time, long) at) && at.Time <= end.Ticks)
        {
            _events.Dequeue();
            Now = new Instant(Math.Max(at.Time, Now.Ticks));
            next.Action?.Invoke();
            next.Node?.Wake();
        }
        Now = end;
    }

    /// <summary>Lets time pass until something is true; that is looked at four times a second.</summary>
    /// <returns>How long that took, in seconds; null if it did not become true.</returns>
    public double? RunUntil(Func<bool> condition, double atMost)
    {
        for (double passed = 0; passed <= atMost; passed += 0.25)
        {
            if (condition())
                return passed;
            Run(0.25);
        }
        return null;
    }

    /// <summary>
    /// How many nodes could not be found by some other one: none of the first three anchors, by which that one would ask, runs and knows it.
    /// </summary>
    /// <param name="atMost">How many different views are looked at; with more of them, all nodes count.</param>
    public int CountUnfindable(int atMost = 40)
    {
        SimulatedNode[] alive = [.. Alive];
        var views = new Dictionary<ulong, SimulatedNode>();
        foreach (SimulatedNode node in alive)
        {
            views.TryAdd(node.Protocol.Anchors.Aggregate(0UL, (sum, anchor) => sum + NodeId.Of(anchor.WireGuardKey).Value * 31), node);
            if (views.Count > atMost)
                return alive.Length;
        }
        return alive.Count(sought => views.Values.Any(asking => !asking.CouldFind(sought)));
    }

    /// <summary>Has nodes chosen at random look for others, and waits until all that has ended.</summary>
    /// <param name="count">How many look-ups.</param>
    /// <returns>Those that failed.</returns>
    public IReadOnlyList<(SimulatedNode From, SimulatedNode To)> LookUpAtRandom(int count)
    {
        List<(SimulatedNode From, SimulatedNode To)> pairs = [];
        SimulatedNode[] alive = [.. Alive];
        while (pairs.Count < count)
        {
            SimulatedNode[] pair = Random.GetItems(alive, 2);
            if (pair[0] == pair[1])
                continue;
            pairs.Add((pair[0], pair[1]));
            pair[0].LookUp(pair[1].Address);
        }
        Run(6);
        return [.. pairs.Where(pair => !pair.From.HasFound(pair.To))];
    }

    /// <summary>Has nodes chosen at random end, as many new ones come, and as many move.</summary>
    public void Churn(int count)
    {
        foreach (SimulatedNode gone in Random.GetItems([.. Alive], count))
        {
            gone.Stop();
            SimulatedNode added = Add();
            added.Knock(Random.GetItems([.. Alive.Where(node => node != added)], 1)[0]);
        }
        foreach (SimulatedNode moving in Random.GetItems([.. Alive], count))
            moving.Move();
    }

    public void Dispose()
    {
        foreach (SimulatedNode node in Nodes)
            node.Dispose();
        _masterKey.Dispose();
        _sharedKey.Dispose();
    }
}
