using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Tests.Rosenpass;

/// <summary>An output key as an end was told of it.</summary>
/// <param name="Time">When.</param>
/// <param name="Peer">Whose.</param>
/// <param name="Reason">Why.</param>
/// <param name="Key">The key in base64.</param>
internal sealed record WrittenKey(Instant Time, PeerId Peer, OutputKeyReason Reason, string Key);

/// <summary>A datagram as it was sent.</summary>
internal sealed record SentDatagram(Instant Time, Endpoint Source, Endpoint Destination, byte[] Bytes)
{
    /// <summary>Its first byte.</summary>
    public byte Type => Bytes[0];
}

/// <summary>An exchange with an address, and a worker that runs its jobs one after the other.</summary>
internal sealed class RosenpassEnd : IDisposable
{
    private readonly RosenpassNetwork _network;
    private readonly Queue<RosenpassJob> _jobs = [];
    private readonly byte[] _datagram = new byte[RosenpassExchange.MaximumDatagram];
    private readonly byte[] _outputKey = new byte[RosenpassExchange.OutputKeySize];
    private readonly StaticKeyPair _keys;
    private readonly RosenpassTiming _timing;
    private readonly RosenpassLimits _limits;
    private bool _isWorking;
    private int _life;

    public RosenpassEnd(RosenpassNetwork network, Endpoint address, StaticKeyPair keys, RosenpassTiming timing, RosenpassLimits limits)
    {
        _network = network;
        _keys = keys;
        _timing = timing;
        _limits = limits;
        Address = address;
        Exchange = NewExchange();
    }

    /// <summary>Where it is.</summary>
    public Endpoint Address { get; }

    /// <summary>Its present life.</summary>
    public RosenpassExchange Exchange { get; private set; }

    /// <summary>Its public key.</summary>
    public StaticPublicKey PublicKey => _keys.PublicKey;

    /// <summary>Whether it is there at all; one that is not neither receives nor sends.</summary>
    public bool IsUp { get; set; } = true;

    /// <summary>Whether it wants proof of addresses.</summary>
    public bool IsUnderLoad { get; set; }

    /// <summary>How long a job takes.</summary>
    public TimeSpan JobTime { get; set; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The output keys, in order.</summary>
    public List<WrittenKey> Written { get; } = [];

    /// <summary>What was dropped, by reason.</summary>
    public Dictionary<RosenpassDropReason, int> Drops { get; } = [];

    /// <summary>How many jobs were handed out.</summary>
    public int JobCount { get; private set; }

    /// <summary>How many jobs were waiting or running at most.</summary>
    public int MostJobs { get; private set; }

    /// <summary>When it has something to do.</summary>
    public Instant WakeAt => IsUp ? Exchange.NextDeadline : Instant.Never;

    /// <summary>The last key written; null when there is none.</summary>
    public WrittenKey? Last => Written.Count > 0 ? Written[^1] : null;

    /// <summary>Adds a peer.</summary>
    public RosenpassPeer AddPeer(RosenpassEnd other, RosenpassDialect dialect, bool knowsEndpoint = true, byte[]? presharedKey = null) =>
        Exchange.AddPeer(new RosenpassPeerSettings(other.PublicKey, dialect)
        {
            Endpoint = knowsEndpoint ? other.Address : default, PresharedKey = presharedKey,
        });

    /// <summary>Forgets everything but the key pair, as a process that was killed.</summary>
    public void Restart()
    {
        _life++;
        _jobs.Clear();
        _isWorking = false;
        Exchange = NewExchange();
    }

    /// <summary>Receives a datagram.</summary>
    public void Receive(byte[] bytes, Endpoint source)
    {
        if (IsUp)
            Do(Exchange.Receive(_network.Now, bytes, source, IsUnderLoad, _datagram, _outputKey));
    }

    /// <summary>Does what time asks for.</summary>
    public void Poll()
    {
        while (Exchange.Poll(_network.Now, _datagram, _outputKey) is { IsNothing: false } outcome)
            Do(outcome);
    }

    public void Dispose() => Exchange.Dispose();

    private RosenpassExchange NewExchange() => new(
        new StaticKeyPair(_keys.PublicKey, _keys.SecretKey), _timing, _limits, destination => _network.Random.NextBytes(destination));

    private void Do(RosenpassOutcome outcome)
    {
        if (outcome.Reason != RosenpassDropReason.None)
            Drops[outcome.Reason] = Drops.GetValueOrDefault(outcome.Reason) + 1;
        if (outcome.KeyReason != OutputKeyReason.None)
            Written.Add(new(_network.Now, outcome.Peer!.Id, outcome.KeyReason, Convert.ToBase64String(_outputKey)));
        if (outcome.Length > 0)
            _network.Send(_datagram.AsSpan(0, outcome.Length), Address, outcome.Destination);
        if (outcome.Job is not { } job)
            return;
        JobCount++;
        _jobs.Enqueue(job);
        MostJobs = Math.Max(MostJobs, _jobs.Count);
        Work();
    }

    private void Work()
    {
        if (_isWorking || !_jobs.TryPeek(out RosenpassJob? job))
            return;
        _isWorking = true;
        int life = _life;
        _network.After(JobTime, () =>
        {
            if (life != _life)
                return;
            _isWorking = false;
            _jobs.Dequeue();
            job.Execute();
            Do(Exchange.Complete(_network.Now, job, _datagram, _outputKey));
            Work();
        });
    }
}
