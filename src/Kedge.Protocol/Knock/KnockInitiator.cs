using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Noise;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Knock;

/// <summary>
/// The end of a knock that begins: it asks for the other end's certificate, in parts if need be, shows its own only when it has admitted
/// that, and is told whether it is admitted itself. It alone has timers: each of its messages is repeated until it is answered. One thread
/// at a time. Disposal zeroes its keys.
/// </summary>
internal sealed class KnockInitiator : IDisposable
{
    /// <summary>How long nothing may come back before the knock is given up.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    /// <summary>
    /// After how long without an answer a handshake that had been answered begins again, once: the other end may have restarted, or had no
    /// room for it any more.
    /// </summary>
    public static readonly TimeSpan StartOverAfter = TimeSpan.FromSeconds(4);

    private static readonly TimeSpan[] Times =
    [
        TimeSpan.Zero, TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(4),
    ];

    private readonly KnockCredentials _credentials;
    private readonly XXInitiator _handshake;
    private readonly byte[] _message = new byte[KnockMessage.MaximumSize];
    private readonly byte[] _cookie = GC.AllocateArray<byte>(KnockMessage.MacSize, pinned: true);
    private readonly bool _hasStartedOver;
    private KnockCipher? _cipher;
    private CertificateParts? _parts;
    private int _length = KnockMessage.MaximumSize;
    private uint _remoteIndex;
    private int _offset;
    private Step _step;
    private Instant _heard;
    private Instant _stepBegun;
    private int _written;
    private bool _awaitsCookie;
    private bool _hasCookie;
    private bool _wasAnswered;

    /// <summary>Starts a knock.</summary>
    /// <param name="credentials">What the node introduces itself with; stay the caller's.</param>
    /// <param name="random">Bytes that nobody can predict.</param>
    /// <param name="asked">Where the other end is.</param>
    /// <param name="index">The index by which it answers.</param>
    /// <param name="now">The time.</param>
    /// <param name="time">The time of day.</param>
    /// <param name="former">The knock that this one takes the place of.</param>
    public KnockInitiator(
        KnockCredentials credentials,
        RandomBytes random,
        Endpoint asked,
        uint index,
        Instant now,
        DateTimeOffset time,
        KnockInitiator? former = null)
    {
        (_credentials, Asked, Index) = (credentials, asked, index);
        (_heard, _stepBegun, _hasStartedOver) = (former?._heard ?? now, now, former is not null);
        _wasAnswered = former is not null;
        _handshake = new XXInitiator(KnockHandshake.Protocol, credentials.PresharedKey, credentials.Key, random);
        KnockMessage.WriteHandshakeHeader(_message, Datagram.KnockInitiation, index, 0);
        Span<byte> payload = stackalloc byte[KnockMessage.InitiationPayloadSize];
        KnockMessage.WriteInitiationPayload(payload, time);
        _handshake.WriteFirst(KnockMessage.HeaderOf(_message), payload, _message.AsSpan(KnockMessage.HeaderSize..^KnockMessage.MacSize));
    }

    /// <summary>What is waited for.</summary>
    private enum Step
    {
        /// <summary>The response.</summary>
        Initiation,

        /// <summary>The next part of the other end's certificate.</summary>
        Fetching,

        /// <summary>The result, or a wish for the rest of our certificate.</summary>
        Confirmation,

        /// <summary>The result, or a wish for the next part of our certificate.</summary>
        Sending,
    }

    /// <summary>Where the other end was asked for.</summary>
    public Endpoint Asked { get; }

    /// <summary>The index by which the other end answers.</summary>
    public uint Index { get; }

    /// <summary>The key that the other end holds; none before it has answered.</summary>
    public PublicKey Remote { get; private set; }

    /// <summary>The other end's certificate, once it is admitted; otherwise as far as it could be read.</summary>
    public NodeCertificate? Certificate { get; private set; }

    /// <summary>How the knock has ended, once it has.</summary>
    public KnockRefusal Refusal { get; private set; }

    /// <summary>When there is something to do next.</summary>
    public Instant NextDeadline
    {
        get
        {
            Instant next = _heard + Patience;
            if (_written < Times.Length)
                next = Instant.Earlier(next, _stepBegun + Times[_written]);
            if (MayStartOver)
                next = Instant.Earlier(next, _stepBegun + StartOverAfter);
            return next;
        }
    }

    private bool MayStartOver => _step != Step.Initiation && !_hasStartedOver;

    /// <summary>Whether nothing has come back for too long, so that this has ended.</summary>
    public bool HasGivenUp(Instant now)
    {
        if (now - _heard < Patience)
            return false;
        Refusal = new KnockRefusal(_wasAnswered ? KnockResult.AnswerEnded : _hasCookie ? KnockResult.Busy : KnockResult.NoAnswer);
        return true;
    }

    /// <summary>Whether another knock should take this one's place.</summary>
    public bool WantsToStartOver(Instant now) => MayStartOver && now - _stepBegun >= StartOverAfter;

    /// <summary>Whether its message is due.</summary>
    public bool IsDue(Instant now) => _written < Times.Length && now - _stepBegun >= Times[_written];

    /// <summary>Writes its message.</summary>
    /// <param name="now">The time.</param>
    /// <param name="datagram">Receives at most <see cref="KnockMessage.MaximumSize"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public int Write(Instant now, Span<byte> datagram)
    {
        while (IsDue(now))
            _written++;
        switch (_step)
        {
            case Step.Fetching:
                return KnockPart.SealWish(_cipher!, _remoteIndex, _parts!.Received, KnockMessage.MaximumPart, datagram);
            case Step.Sending:
                return KnockPart.Seal(_cipher!, _remoteIndex, _credentials.Certificate, _offset, datagram);
            default:
                Span<byte> message = _message.AsSpan(0, _length);
                if (_hasCookie)
                    Blake2s.Mac(_cookie, KnockMessage.CoveredByMac(message), KnockMessage.MacOf(message));
                _awaitsCookie = true;
                message.CopyTo(datagram);
                return _length;
        }
    }

    /// <summary>Takes a cookie, with which the message is then to be written again: once for each time that it was due.</summary>
    /// <param name="datagram">The message.</param>
    /// <param name="answer">Receives the message that is written again.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <param name="now">The time.</param>
    public KnockReaction ReceiveCookie(Instant now, ReadOnlySpan<byte> datagram, Span<byte> answer, out int length)
    {
        length = 0;
        Span<byte> cookie = stackalloc byte[KnockMessage.MacSize];
        if (!_awaitsCookie || !KnockCookies.TryRead(_credentials, datagram, KnockMessage.TagOf(_message.AsSpan(0, _length)), cookie))
            return KnockReaction.Drop;
        cookie.CopyTo(_cookie);
        _hasCookie = true;
        length = Write(now, answer);
        _awaitsCookie = false;
        return KnockReaction.Answer;
    }

    /// <summary>Takes a response.</summary>
    /// <param name="now">The time.</param>
    /// <param name="time">The time of day.</param>
    /// <param name="datagram">The message.</param>
    /// <param name="admission">Says who may become a peer.</param>
    public KnockReaction ReceiveResponse(Instant now, DateTimeOffset time, ReadOnlySpan<byte> datagram, IPeerAdmission admission)
    {
        Span<byte> payload = stackalloc byte[datagram.Length - KnockMessage.HeaderSize - XXMessage.SecondOverhead];
        if (_step != Step.Initiation
            || !_handshake.TryReadSecond(KnockMessage.HeaderOf(datagram), datagram[KnockMessage.HeaderSize..], payload))
        {
            return KnockReaction.Drop;
        }
        _wasAnswered = true;
        _remoteIndex = KnockMessage.SenderOf(datagram);
        Remote = PublicKey.FromBytes(_handshake.RemoteStatic);
        Refusal = new KnockRefusal(default, ClockDifference: KnockMessage.ClockDifference(KnockMessage.ReadTime(payload), time));
        _parts = CertificateParts.Start(payload);
        if (_parts is { IsComplete: false })
        {
            _cipher = new KnockCipher(_handshake.Derive(KnockHandshake.PartLabel), isInitiator: true);
            return Advance(now, Step.Fetching);
        }
        return Judge(now, time, admission);
    }

    /// <summary>Takes a part of the other end's certificate, or its wish for a part of ours.</summary>
    /// <param name="now">The time.</param>
    /// <param name="time">The time of day.</param>
    /// <param name="datagram">The message; used up.</param>
    /// <param name="admission">Says who may become a peer.</param>
    public KnockReaction ReceivePart(Instant now, DateTimeOffset time, Span<byte> datagram, IPeerAdmission admission)
    {
        if (_step == Step.Initiation || !KnockPart.TryOpen(_cipher!, datagram, out int offset, out ReadOnlySpan<byte> bytes))
            return KnockReaction.Drop;
        if (_step == Step.Fetching)
        {
            if (!_parts!.TryAdd(offset, bytes))
                return KnockReaction.Drop;
            return _parts.IsComplete ? Judge(now, time, admission) : Advance(now, Step.Fetching);
        }
        if (offset < KnockMessage.MaximumCertificateStart || offset <= _offset || offset >= _credentials.Certificate.Length)
            return KnockReaction.Drop;
        _offset = offset;
        return Advance(now, Step.Sending);
    }

    /// <summary>Takes the result.</summary>
    /// <param name="datagram">The message; used up.</param>
    public KnockReaction ReceiveResult(Span<byte> datagram)
    {
        if (_step < Step.Confirmation || !_cipher!.TryOpen(datagram, out Span<byte> plaintext))
            return KnockReaction.Drop;
        Refusal = KnockResultMessage.Read(plaintext);
        return KnockReaction.End;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _handshake.Dispose();
        _cipher?.Dispose();
        CryptographicOperations.ZeroMemory(_cookie);
    }

    private KnockReaction Judge(Instant now, DateTimeOffset time, IPeerAdmission admission)
    {
        Refusal = KnockHandshake.Judge(
            admission,
            _parts is null ? default : _parts.Bytes,
            Remote,
            _credentials.PublicKey,
            time,
            Refusal.ClockDifference,
            out NodeCertificate? certificate);
        Certificate = certificate;
        if (!Refusal.IsAccepted)
            return KnockReaction.End;
        int start = KnockMessage.StartLength(_credentials.Certificate.Length);
        Span<byte> payload = stackalloc byte[KnockMessage.CertificateHeaderSize + start];
        KnockMessage.WriteCertificateStart(payload, _credentials.Certificate, time);
        _length = KnockMessage.HeaderSize + XXMessage.ThirdOverhead + payload.Length + KnockMessage.MacSize;
        Span<byte> message = _message.AsSpan(0, _length);
        KnockMessage.WriteHandshakeHeader(message, Datagram.KnockConfirmation, Index, _remoteIndex);
        _handshake.WriteThird(KnockMessage.HeaderOf(message), payload, message[KnockMessage.HeaderSize..^KnockMessage.MacSize]);
        KnockMessage.MacOf(message).Clear();
        _cipher?.Dispose();
        _cipher = new KnockCipher(_handshake.Split(), isInitiator: true);
        _handshake.Dispose();
        return Advance(now, Step.Confirmation);
    }

    private KnockReaction Advance(Instant now, Step step)
    {
        (_step, _heard, _stepBegun, _written) = (step, now, now, 0);
        _awaitsCookie = false; // one that comes late must not have the message of this step written
        return KnockReaction.Answer;
    }
}
