using System.Diagnostics;
using System.Security.Cryptography;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Bench.PostQuantum;

/// <summary>Two ends of Rosenpass that exchange keys whenever they are told, and how long each of them takes. One thread.</summary>
internal sealed class HandshakePair : IDisposable
{
    private static readonly Endpoint InitiatorAddress = Endpoint.Parse("192.0.2.1:9999");
    private static readonly Endpoint ResponderAddress = Endpoint.Parse("192.0.2.2:9999");

    // Late enough for the next handshake, and too early for the last key to be stale.
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(150);

    private readonly RosenpassExchange _initiator;
    private readonly RosenpassExchange _responder;
    private readonly byte[] _datagram = new byte[RosenpassExchange.MaximumDatagram];
    private readonly byte[] _outputKey = new byte[RosenpassExchange.OutputKeySize];
    private Instant _now = new(TimeSpan.TicksPerDay);

    public HandshakePair(RosenpassDialect dialect)
    {
        _initiator = NewExchange(dialect, out StaticPublicKey initiatorKey);
        _responder = NewExchange(dialect, out StaticPublicKey responderKey);
        _initiator.AddPeer(new RosenpassPeerSettings(responderKey, dialect) { Endpoint = ResponderAddress });
        _responder.AddPeer(new RosenpassPeerSettings(initiatorKey, dialect));
    }

    /// <summary>Time that the initiator took since <see cref="Reset"/>.</summary>
    public TimeSpan InitiatorTime { get; private set; }

    /// <summary>Time that the responder took since <see cref="Reset"/>.</summary>
    public TimeSpan ResponderTime { get; private set; }

    /// <summary>Bytes of each message of the last handshake.</summary>
    public List<int> Messages { get; } = [];

    public void Reset() => (InitiatorTime, ResponderTime) = (default, default);

    /// <summary>Exchanges one key.</summary>
    public void ShakeHands()
    {
        _now += Interval;
        Messages.Clear();
        byte[] initHello = AtInitiator(() => _initiator.Poll(_now, _datagram, _outputKey));
        byte[] respHello = AtResponder(() => Receive(_responder, initHello, InitiatorAddress));
        byte[] initConf = AtInitiator(() => Receive(_initiator, respHello, ResponderAddress));
        byte[] emptyData = AtResponder(() => Receive(_responder, initConf, InitiatorAddress));
        AtInitiator(() => Receive(_initiator, emptyData, ResponderAddress));
        if (Messages.Count != 4)
            throw new InvalidOperationException($"A handshake has four messages, and this one has {Messages.Count}.");
    }

    public void Dispose()
    {
        _initiator.Dispose();
        _responder.Dispose();
    }

    private static RosenpassExchange NewExchange(RosenpassDialect dialect, out StaticPublicKey publicKey)
    {
        byte[] bytes = new byte[dialect.StaticKem.PublicKeySize], secretKey = new byte[dialect.StaticKem.SecretKeySize];
        dialect.StaticKem.GenerateKeyPair(bytes, secretKey);
        publicKey = new StaticPublicKey(bytes);
        return new(
            new StaticKeyPair(publicKey, secretKey), RosenpassTiming.Default, RosenpassLimits.Default, RandomNumberGenerator.Fill);
    }

    private byte[] AtInitiator(Func<RosenpassOutcome> verb)
    {
        long start = Stopwatch.GetTimestamp();
        byte[] message = Do(_initiator, verb());
        InitiatorTime += Stopwatch.GetElapsedTime(start);
        return message;
    }

    private byte[] AtResponder(Func<RosenpassOutcome> verb)
    {
        long start = Stopwatch.GetTimestamp();
        byte[] message = Do(_responder, verb());
        ResponderTime += Stopwatch.GetElapsedTime(start);
        return message;
    }

    private RosenpassOutcome Receive(RosenpassExchange end, byte[] message, Endpoint source) =>
        end.Receive(_now, message, source, isUnderLoad: false, _datagram, _outputKey);

    private byte[] Do(RosenpassExchange end, RosenpassOutcome outcome)
    {
        if (outcome.Job is { } job)
        {
            job.Execute();
            outcome = end.Complete(_now, job, _datagram, _outputKey);
        }
        if (outcome.Reason != RosenpassDropReason.None)
            throw new InvalidOperationException($"A message was dropped: {outcome.Reason}.");
        if (outcome.Length > 0)
            Messages.Add(outcome.Length);
        return _datagram[..outcome.Length];
    }
}
