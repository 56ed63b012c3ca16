using Kedge.Fuzz.Rosenpass;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;
using Kedge.Tests.WireGuard;

namespace Kedge.Tests.Rosenpass;

/// <summary>
/// Ends of Rosenpass on a virtual network and a virtual clock: the same seed gives the same run, byte for byte. Time passes only inside
/// <see cref="Run"/> and <see cref="RunUntil"/>.
/// </summary>
internal sealed class RosenpassNetwork : IDisposable
{
    private readonly Timeline _timeline = new();
    private readonly List<RosenpassEnd> _ends = [];
    private readonly FakeDialects _dialects;

    public RosenpassNetwork(int seed = 1)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"Seed {seed}.");
        Random = new Random(seed);
        _dialects = new FakeDialects(seed);
    }

    /// <summary>Released, V02, V03.</summary>
    public IReadOnlyList<RosenpassDialect> Dialects => _dialects.All;

    /// <summary>Where the ends get their randomness, and the network.</summary>
    public Random Random { get; }

    /// <summary>How bad the network is; may change at any time.</summary>
    public NetworkQuality Quality { get; set; } = NetworkQuality.Good;

    /// <summary>Datagrams for which this is true never arrive.</summary>
    public Predicate<SentDatagram> Loses { get; set; } = _ => false;

    /// <summary>What was sent, in order.</summary>
    public List<SentDatagram> Sent { get; } = [];

    /// <summary>The time.</summary>
    public Instant Now => _timeline.Now;

    /// <summary>Adds an end that knows nobody.</summary>
    public RosenpassEnd AddEnd(RosenpassTiming? timing = null, RosenpassLimits? limits = null)
    {
        var address = new Endpoint(IpAddress.IPv4(0xC0000200 + (uint)_ends.Count + 1), 9999);
        var end = new RosenpassEnd(this, address, _dialects.NewKeyPair(), timing ?? RosenpassTiming.Default, limits ?? RosenpassLimits.Default);
        _ends.Add(end);
        return end;
    }

    /// <summary>Adds two ends that know each other.</summary>
    public (RosenpassEnd A, RosenpassEnd B) AddPair(
        RosenpassDialect? dialect = null, bool aKnowsEndpoint = true, bool bKnowsEndpoint = true, RosenpassTiming? timing = null)
    {
        RosenpassEnd a = AddEnd(timing), b = AddEnd(timing);
        a.AddPeer(b, dialect ?? Dialects[0], aKnowsEndpoint);
        b.AddPeer(a, dialect ?? Dialects[0], bKnowsEndpoint);
        return (a, b);
    }

    /// <inheritdoc cref="Timeline.After"/>
    public void After(TimeSpan time, Action action) => _timeline.After(time, action);

    /// <summary>Sends a datagram, which is copied. Anybody may claim any source.</summary>
    public void Send(ReadOnlySpan<byte> datagram, Endpoint source, Endpoint destination)
    {
        var sent = new SentDatagram(Now, source, destination, datagram.ToArray());
        Sent.Add(sent);
        if (Loses(sent) || Random.NextDouble() < Quality.Loss)
            return;
        Carry(sent);
        if (Random.NextDouble() < Quality.Duplication)
            Carry(sent);
    }

    /// <summary>Lets time pass.</summary>
    public void Run(TimeSpan time) => _timeline.Run(time, Deadline, Poll);

    /// <inheritdoc cref="Timeline.RunUntil"/>
    public void RunUntil(Func<bool> condition, TimeSpan atMost) => _timeline.RunUntil(condition, atMost, Deadline, Poll);

    public void Dispose()
    {
        foreach (RosenpassEnd end in _ends)
            end.Dispose();
    }

    private void Carry(SentDatagram sent) => _timeline.After(Quality.Delay + (Quality.Jitter * Random.NextDouble()), () =>
        _ends.Find(end => end.Address == sent.Destination)?.Receive([.. sent.Bytes], sent.Source));

    private Instant Deadline() => _ends.Aggregate(Instant.Never, (next, end) => Instant.Earlier(next, end.WakeAt));

    private void Poll()
    {
        foreach (RosenpassEnd end in _ends)
        {
            if (end.WakeAt > Now)
                continue;
            end.Poll();
            if (end.WakeAt <= Now)
                Assert.Fail($"{end.Address} asks to be polled at {Now} and does nothing.");
        }
    }
}
