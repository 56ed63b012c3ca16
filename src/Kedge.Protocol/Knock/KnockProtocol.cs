using System.Collections.Concurrent;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Noise;
using Kedge.Protocol.Strangers;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Knock;

/// <summary>
/// How two nodes of a network without a controller introduce themselves to each other: each proves its WireGuard key and shows its
/// certificate, by Noise_XXpsk0 on the data port. Who does not know the network gets no answer and reads nothing; an initiator shows its
/// certificate only to an admitted member; no answer is longer than its question. <see cref="KnockMessage"/> has the layout.
/// <para>
/// One knock serves both directions, and two nodes that knock at each other at the same time are introduced once at each end, unless by
/// different endpoints.
/// </para>
/// One thread at a time, but for <see cref="Check"/>.
/// </summary>
public sealed class KnockProtocol : IControlProtocol, IDisposable
{
    /// <summary>The most handshakes of others that are kept, those included whose result may have to be told again.</summary>
    public const int MaximumPending = 256;

    /// <summary>The most knocks of this node that are under way.</summary>
    public const int MaximumKnocks = 64;

    /// <summary>Handshakes a second that one source may keep up.</summary>
    public const int HandshakesPerSecond = 20;

    /// <summary>Handshakes that one source may start at once after a pause.</summary>
    public const int HandshakeBurst = 5;

    private const int MaximumOutcomes = 256;

    private readonly RandomBytes _random;
    private readonly Func<int> _waiting;
    private readonly LoadMeter _load;
    private readonly KnockCookies _cookies;
    private readonly StrangerBudget _budget = new(new StrangerLimits(HandshakesPerSecond, HandshakeBurst));
    private readonly ConcurrentDictionary<uint, object> _ends = new();
    private readonly Dictionary<Endpoint, KnockInitiator> _knocks = [];
    private readonly Dictionary<PublicKey, KnockResponder> _pending = []; // by the initiator's ephemeral key
    private readonly Queue<KnockOutcome> _outcomes = new();
    private readonly InstantTable<(Sha256Digest Certificate, Endpoint Remote)> _introduced = new(MaximumPending);
    private volatile KnockCredentials? _credentials;
    private IPeerAdmission? _admission;
    private XXResponder? _reader;
    private (Instant At, DateTimeOffset Time)? _clock;
    private Instant _sweepAt = Instant.Never;

    /// <summary>Makes a protocol that neither knocks nor answers until <see cref="Use"/> and <see cref="SetTime"/> are called.</summary>
    /// <param name="random">Bytes that nobody can predict.</param>
    /// <param name="waiting">How many knocks wait to be received. Called while one is received; returns at once.</param>
    /// <param name="queueCapacity">How many can wait. While an eighth of these do, those who knock have to prove their address.</param>
    public KnockProtocol(RandomBytes random, Func<int> waiting, int queueCapacity)
    {
        (_random, _waiting) = (random, waiting);
        _load = new LoadMeter(Timing.Default, queueCapacity);
        _cookies = new KnockCookies(random);
    }

    /// <inheritdoc/>
    public Instant NextDeadline
    {
        get
        {
            Instant next = _sweepAt;
            foreach (KnockInitiator knock in _knocks.Values)
                next = Instant.Earlier(next, knock.NextDeadline);
            return next;
        }
    }

    /// <summary>How many handshakes of others are kept.</summary>
    public int Pending => _pending.Count;

    /// <summary>How many knocks of this node are under way.</summary>
    public int Knocks => _knocks.Count;

    /// <summary>How many initiations of others were answered with a response, repeated ones not counted.</summary>
    public long Answered { get; private set; }

    /// <summary>How many messages were answered with a cookie.</summary>
    public long CookiesSent { get; private set; }

    /// <summary>
    /// Sets what this node introduces itself with. What others have begun is forgotten, and knocks of this node begin anew; without
    /// credentials they end.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="credentials">The credentials, from now on owned by this object; null for none. Those from before are disposed.</param>
    /// <param name="admission">Says who may become a peer; null only without credentials.</param>
    public void Use(Instant now, KnockCredentials? credentials, IPeerAdmission? admission)
    {
        if (credentials is not null)
            ArgumentNullException.ThrowIfNull(admission);
        Endpoint[] asked = [.. _knocks.Keys];
        Forget();
        KnockCredentials? former = _credentials;
        (_credentials, _admission) = (credentials, admission);
        _reader = credentials is null ? null : new XXResponder(KnockHandshake.Protocol, credentials.Key);
        if (former != credentials)
            former?.Dispose();
        foreach (Endpoint remote in asked)
            Knock(now, remote);
    }

    /// <summary>
    /// Says what time of day it is: to be called before anything else, and when the machine's clock was set. In between time passes as
    /// <see cref="Instant"/>s do.
    /// </summary>
    public void SetTime(Instant now, DateTimeOffset time) => _clock = (now, time);

    /// <summary>
    /// Introduces this node to whoever is at an endpoint. How that ends, <see cref="TryTakeOutcome"/> tells within seconds. A knock at the
    /// same endpoint that is under way is the same knock. <see cref="Poll"/> is to be called then.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="remote">The endpoint.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public void Knock(Instant now, Endpoint remote)
    {
        if (remote.IsNone || remote.Port == 0)
            throw new ArgumentException("There is no endpoint to knock at.", nameof(remote));
        if (_knocks.ContainsKey(remote))
            return;
        if (_credentials is null || _clock is null)
            Report(new KnockOutcome(remote, new KnockRefusal(KnockResult.Withdrawn)));
        else if (_knocks.Count >= MaximumKnocks)
            Report(new KnockOutcome(remote, new KnockRefusal(KnockResult.TooMany)));
        else
            Start(now, remote, null);
    }

    /// <summary>Ends a knock of this node, if it is under way, without an outcome.</summary>
    public void Cancel(Endpoint remote)
    {
        if (_knocks.TryGetValue(remote, out KnockInitiator? knock))
            Remove(knock);
    }

    /// <summary>Takes the oldest outcome. Of too many that nobody takes, the oldest are forgotten.</summary>
    public bool TryTakeOutcome(out KnockOutcome outcome) => _outcomes.TryDequeue(out outcome);

    /// <inheritdoc/>
    public DropReason Check(ReadOnlySpan<byte> datagram, Endpoint remote)
    {
        if (_credentials is null)
            return DropReason.NotEnabled;
        return datagram[0] == Datagram.KnockInitiation || _ends.ContainsKey(KnockMessage.ReceiverOf(datagram))
            ? DropReason.None
            : DropReason.UnexpectedKnock;
    }

    /// <inheritdoc/>
    public ControlOutcome Receive(Instant now, Span<byte> datagram, Endpoint remote, Endpoint local, Span<byte> reply)
    {
        if (_credentials is not { } credentials || _clock is null)
            return ControlOutcome.Drop(DropReason.NotEnabled);
        Sweep(now);
        if (datagram[0] == Datagram.KnockInitiation)
            return ReceiveInitiation(now, credentials, datagram, remote, local, reply);
        return _ends.GetValueOrDefault(KnockMessage.ReceiverOf(datagram)) switch
        {
            KnockInitiator knock => ReceiveAnswer(now, knock, datagram, remote, local, reply),
            KnockResponder responder => ReceiveQuestion(now, credentials, responder, datagram, remote, local, reply),
            _ => ControlOutcome.Drop(DropReason.UnexpectedKnock),
        };
    }

    /// <inheritdoc/>
    public ControlOutcome Poll(Instant now, Span<byte> datagram)
    {
        Sweep(now);
        if (_knocks.Count == 0)
            return ControlOutcome.Nothing; // as on most devices, always
        foreach (KnockInitiator due in _knocks.Values.Where(knock => knock.NextDeadline <= now).ToArray())
        {
            KnockInitiator knock = due;
            if (knock.HasGivenUp(now))
            {
                End(knock, new KnockOutcome(knock.Asked, knock.Refusal, knock.Certificate));
                continue;
            }
            if (knock.WantsToStartOver(now))
            {
                Remove(knock);
                knock = Start(now, knock.Asked, knock);
            }
            if (knock.IsDue(now))
                return new ControlOutcome(Outcome.ToNetwork(knock.Write(now, datagram)), knock.Asked);
        }
        return ControlOutcome.Nothing;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Forget();
        _cookies.Dispose();
        _credentials?.Dispose();
        _credentials = null;
    }

    private ControlOutcome ReceiveInitiation(
        Instant now, KnockCredentials credentials, Span<byte> datagram, Endpoint remote, Endpoint local, Span<byte> reply)
    {
        Span<byte> payload = stackalloc byte[KnockMessage.InitiationPayloadSize];
        XXResponder reader = _reader!;
        if (!reader.TryReadFirst(
            credentials.PresharedKey, KnockMessage.HeaderOf(datagram), datagram[KnockMessage.HeaderSize..^KnockMessage.MacSize], payload))
        {
            return ControlOutcome.Drop(DropReason.UnexpectedKnock);
        }
        if (_load.IsUnderLoad(now, _waiting()) && !_cookies.IsProven(now, datagram, remote))
            return SendCookie(now, credentials, datagram, remote, local, reply);
        PublicKey ephemeral = PublicKey.FromBytes(datagram.Slice(KnockMessage.HeaderSize, PublicKey.Size));
        if (_pending.TryGetValue(ephemeral, out KnockResponder? known))
            return Send(known.WriteResponse(datagram, reply), remote, local);
        if (!_budget.TrySpend(now, remote.Address))
            return ControlOutcome.Drop(DropReason.KnockRateLimited);
        DateTimeOffset time = TimeAt(now);
        _reader = new XXResponder(KnockHandshake.Protocol, credentials.Key);
        KnockResponder? responder = KnockResponder.Answer(
            credentials,
            _random,
            reader,
            datagram,
            NewIndex(),
            now,
            time,
            KnockMessage.ClockDifference(KnockMessage.ReadInitiationTime(payload), time));
        if (responder is null)
            return ControlOutcome.Drop(DropReason.UnexpectedKnock);
        if (_pending.Count >= MaximumPending)
            Remove(_pending.MinBy(pending => pending.Value.Begun));
        _pending.Add(ephemeral, responder);
        _ends[responder.Index] = responder;
        _sweepAt = Instant.Earlier(_sweepAt, responder.Deadline);
        Answered++;
        return Send(responder.WriteResponse(datagram, reply), remote, local);
    }

    private ControlOutcome ReceiveAnswer(
        Instant now, KnockInitiator knock, Span<byte> datagram, Endpoint remote, Endpoint local, Span<byte> reply)
    {
        int length = 0;
        KnockReaction reaction = datagram[0] switch
        {
            Datagram.KnockResponse => knock.ReceiveResponse(now, TimeAt(now), datagram, _admission!),
            Datagram.KnockCookie => knock.ReceiveCookie(now, datagram, reply, out length),
            Datagram.KnockPart => knock.ReceivePart(now, TimeAt(now), datagram, _admission!),
            Datagram.KnockResult => knock.ReceiveResult(datagram),
            _ => KnockReaction.Drop,
        };
        switch (reaction)
        {
            case KnockReaction.Answer:
                return Send(length > 0 ? length : knock.Write(now, reply), remote, local);
            case KnockReaction.End:
                if (knock.Refusal.IsAccepted)
                    NoteIntroduced(now, knock.Certificate!, remote);
                End(knock, new KnockOutcome(knock.Asked, knock.Refusal, knock.Certificate, remote, local));
                return ControlOutcome.Nothing;
            default:
                return ControlOutcome.Drop(DropReason.UnexpectedKnock);
        }
    }

    private ControlOutcome ReceiveQuestion(
        Instant now,
        KnockCredentials credentials,
        KnockResponder responder,
        Span<byte> datagram,
        Endpoint remote,
        Endpoint local,
        Span<byte> reply)
    {
        int length = 0;
        KnockReaction reaction = KnockReaction.Drop;
        if (datagram[0] == Datagram.KnockPart)
        {
            reaction = responder.ReceivePart(now, TimeAt(now), datagram, _admission!, reply, out length);
        }
        else if (datagram[0] == Datagram.KnockConfirmation)
        {
            if (_load.IsUnderLoad(now, _waiting()) && responder.IsCostly(datagram) && !_cookies.IsProven(now, datagram, remote))
                return SendCookie(now, credentials, datagram, remote, local, reply);
            reaction = responder.ReceiveConfirmation(now, TimeAt(now), datagram, _admission!);
        }
        if (reaction == KnockReaction.Drop)
            return ControlOutcome.Drop(DropReason.UnexpectedKnock);
        _sweepAt = Instant.Earlier(_sweepAt, responder.Deadline);
        if (reaction == KnockReaction.End)
            Conclude(now, responder, remote, local);
        return Send(length > 0 ? length : responder.WriteAnswer(reply), remote, local);
    }

    // The other end has admitted this node before it confirmed, so what this node wanted of it, if it knocked there too, has come true.
    private void Conclude(Instant now, KnockResponder responder, Endpoint remote, Endpoint local)
    {
        var outcome = new KnockOutcome(default, responder.Refusal!.Value, responder.Certificate, remote, local);
        if (!outcome.Refusal.IsAccepted)
        {
            Report(outcome);
            return;
        }
        bool isKnown = _introduced.TryGet((outcome.Certificate!.Fingerprint, remote), out Instant last)
            && now - last < KnockResponder.RepeatTime;
        NoteIntroduced(now, outcome.Certificate, remote);
        KnockInitiator[] served = [.. _knocks.Values.Where(knock => knock.Asked == remote || knock.Remote == responder.Remote)];
        foreach (KnockInitiator knock in served)
            End(knock, outcome with { Asked = knock.Asked });
        if (served.Length == 0 && !isKnown)
            Report(outcome);
    }

    private void NoteIntroduced(Instant now, NodeCertificate certificate, Endpoint remote)
    {
        _introduced.Set((certificate.Fingerprint, remote), now);
        _budget.Known.Add(now, remote.Address);
    }

    private ControlOutcome SendCookie(
        Instant now, KnockCredentials credentials, Span<byte> datagram, Endpoint remote, Endpoint local, Span<byte> reply)
    {
        CookiesSent++;
        return Send(_cookies.Write(now, credentials, datagram, remote, reply), remote, local);
    }

    private static ControlOutcome Send(int length, Endpoint remote, Endpoint local) => length > 0
        ? new ControlOutcome(Outcome.ToNetwork(length), remote, local)
        : ControlOutcome.Drop(DropReason.UnexpectedKnock);

    private KnockInitiator Start(Instant now, Endpoint remote, KnockInitiator? former)
    {
        var knock = new KnockInitiator(_credentials!, _random, remote, NewIndex(), now, TimeAt(now), former);
        _knocks.Add(remote, knock);
        _ends[knock.Index] = knock;
        return knock;
    }

    private void End(KnockInitiator knock, KnockOutcome outcome)
    {
        Remove(knock);
        Report(outcome);
    }

    private void Remove(KnockInitiator knock)
    {
        _knocks.Remove(knock.Asked);
        _ends.TryRemove(knock.Index, out _);
        knock.Dispose();
    }

    private void Remove(KeyValuePair<PublicKey, KnockResponder> pending)
    {
        _pending.Remove(pending.Key);
        _ends.TryRemove(pending.Value.Index, out _);
        pending.Value.Dispose();
    }

    private void Forget()
    {
        foreach (KnockInitiator knock in _knocks.Values.ToArray())
            Remove(knock);
        foreach (KeyValuePair<PublicKey, KnockResponder> pending in _pending.ToArray())
            Remove(pending);
        _reader?.Dispose();
        _reader = null;
        _sweepAt = Instant.Never;
    }

    private void Sweep(Instant now)
    {
        if (now < _sweepAt)
            return;
        foreach (KeyValuePair<PublicKey, KnockResponder> pending in _pending.Where(pending => pending.Value.Deadline <= now).ToArray())
            Remove(pending);
        _sweepAt = _pending.Values.Aggregate(Instant.Never, (next, pending) => Instant.Earlier(next, pending.Deadline));
    }

    private void Report(KnockOutcome outcome)
    {
        if (_outcomes.Count >= MaximumOutcomes)
            _outcomes.Dequeue();
        _outcomes.Enqueue(outcome);
    }

    private DateTimeOffset TimeAt(Instant now) => _clock!.Value.Time + (now - _clock.Value.At);

    private uint NewIndex()
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        uint index;
        do
        {
            _random(bytes);
            index = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        }
        while (_ends.ContainsKey(index));
        return index;
    }
}
