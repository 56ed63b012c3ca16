using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Tests.Certificates;
using Kedge.Tests.WireGuard;

namespace Kedge.Tests.Knock;

/// <summary>A datagram that was sent.</summary>
internal sealed record Knocked(Instant Time, Endpoint Source, Endpoint Destination, byte[] Bytes)
{
    public byte Type => Bytes[0];
}

/// <summary>Nodes of one network, a virtual clock, and what lies between them, as bad as a test wants it.</summary>
internal sealed class KnockWorld(int seed = 1) : IDisposable
{
    private readonly Timeline _timeline = new();
    private readonly List<KnockNode> _nodes = [];

    public TestNetwork Network { get; } = new();

    public Random Random { get; } = new(seed);

    public Instant Now => _timeline.Now;

    public DateTimeOffset Time => TestNetwork.Start.AddDays(1) + (Now - new Instant(0));

    public NetworkQuality Quality { get; set; } = NetworkQuality.Good;

    public Predicate<Knocked> Loses { get; set; } = _ => false;

    /// <summary>All that was sent, what was lost included.</summary>
    public List<Knocked> Seen { get; } = [];

    public KnockNode Add()
    {
        var node = new KnockNode(this, _nodes.Count + 1);
        _nodes.Add(node);
        return node;
    }

    public (KnockNode A, KnockNode B) AddPair() => (Add(), Add());

    public void Send(Endpoint source, Endpoint destination, byte[] bytes)
    {
        Assert.InRange(bytes.Length, 1, 1200);
        var sent = new Knocked(Now, source, destination, bytes);
        Seen.Add(sent);
        if (Loses(sent) || Random.NextDouble() < Quality.Loss)
            return;
        Carry(sent);
        if (Random.NextDouble() < Quality.Duplication)
            Carry(sent);
    }

    public void After(TimeSpan time, Action action) => _timeline.After(time, action);

    public void Run(double seconds) => _timeline.Run(
        TimeSpan.FromSeconds(seconds),
        () => _nodes.Aggregate(Instant.Never, (next, node) => Instant.Earlier(next, node.Protocol.NextDeadline)),
        () =>
        {
            foreach (KnockNode node in _nodes)
                node.Poll();
        });

    public IEnumerable<Knocked> SeenOf(byte type) => Seen.Where(sent => sent.Type == type);

    public void Dispose()
    {
        foreach (KnockNode node in _nodes)
            node.Dispose();
        Network.Dispose();
    }

    private void Carry(Knocked sent) => _timeline.After(
        Quality.Delay + (Quality.Jitter * Random.NextDouble()),
        () => _nodes.Find(node => node.Address == sent.Destination)?.Receive([.. sent.Bytes], sent.Source));
}
