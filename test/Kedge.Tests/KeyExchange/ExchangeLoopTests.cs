using Kedge.Fuzz.Rosenpass;
using Kedge.Node.KeyExchange;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;
using Kedge.Tests.Dataplane;

namespace Kedge.Tests.KeyExchange;

/// <summary>Two exchange loops on a wire in memory and a clock of the test, with workers on threads of their own.</summary>
public sealed class ExchangeLoopTests : IDisposable
{
    private const int Patience = 10_000; // rounds of a millisecond at most

    private readonly AutoResetEvent _jobDone = new(false);
    private readonly End _a;
    private readonly End _b;
    private Instant _now = new(TimeSpan.TicksPerDay);

    public ExchangeLoopTests()
    {
        var dialects = new FakeDialects(1);
        (_a, _b) = (new End("192.0.2.1:9999", dialects, 2, _jobDone), new End("192.0.2.2:9999", dialects, 3, _jobDone));
        (_a.Socket.Peer, _b.Socket.Peer) = (_b.Socket, _a.Socket);
        _a.Exchange.AddPeer(new RosenpassPeerSettings(_b.Keys.PublicKey, dialects.All[0]) { Endpoint = _b.Socket.Address });
        _b.Exchange.AddPeer(new RosenpassPeerSettings(_a.Keys.PublicKey, dialects.All[0]));
    }

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
        _jobDone.Dispose();
    }

    [Fact]
    public void A_key_is_exchanged_and_renewed()
    {
        RunUntil(() => _a.Written.Count == 1 && _b.Written.Count == 1);
        _now += TimeSpan.FromSeconds(123);
        RunUntil(() => _a.Written.Count == 2 && _b.Written.Count == 2);
        Assert.Equal(_a.Written, _b.Written);
        Assert.All(_a.Written, written => Assert.Equal(OutputKeyReason.Exchanged, written.Reason));
        Assert.Equal(2, _a.Written.Distinct().Count());
        Assert.All(new[] { _a, _b }, end => Assert.Equal(0, end.Loop.Drops.Sum()));
    }

    [Fact]
    public void A_key_without_a_successor_becomes_stale_at_both_ends()
    {
        RunUntil(() => _a.Written.Count == 1 && _b.Written.Count == 1);
        (_a.Socket.Peer, _b.Socket.Peer) = (null, null);
        _now += TimeSpan.FromSeconds(180);
        RunUntil(() => _a.Written.Count == 2 && _b.Written.Count == 2);
        Assert.All(new[] { _a, _b }, end => Assert.Equal(OutputKeyReason.Stale, end.Written[1].Reason));
        Assert.NotEqual(_a.Written[1].Key, _b.Written[1].Key);
    }

    private void RunUntil(Func<bool> condition)
    {
        for (int round = 0; !condition(); round++)
        {
            Assert.True(round < Patience, "What was waited for does not happen.");
            _a.Loop.RunOnce(_now);
            _b.Loop.RunOnce(_now);
            _jobDone.WaitOne(millisecondsTimeout: 1);
        }
    }

    private sealed class End : IDisposable
    {
        private readonly JobWorker _worker;

        /// <summary>What jobs threw.</summary>
        public List<Exception> Faults { get; } = [];

        public End(string address, FakeDialects dialects, int seed, AutoResetEvent jobDone)
        {
            Socket = new MemoryDatagramSocket(Endpoint.Parse(address));
            Keys = dialects.NewKeyPair();
            Exchange = new RosenpassExchange(Keys, RosenpassTiming.Default, RosenpassLimits.Default, new Random(seed).NextBytes);
            _worker = new JobWorker(() => jobDone.Set(), Faults.Add);
            Loop = new ExchangeLoop(
                Exchange,
                [new ExchangeSocket(Socket, HasIPv4: true, HasIPv6: false)],
                _worker,
                (_, reason, key) => Written.Add((reason, Convert.ToBase64String(key))));
            _worker.Start();
        }

        public MemoryDatagramSocket Socket { get; }

        public StaticKeyPair Keys { get; }

        public RosenpassExchange Exchange { get; }

        public ExchangeLoop Loop { get; }

        public List<(OutputKeyReason Reason, string Key)> Written { get; } = [];

        public void Dispose()
        {
            _worker.Dispose();
            Exchange.Dispose();
            Socket.Dispose();
        }
    }
}
