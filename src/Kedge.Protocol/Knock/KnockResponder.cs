using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Noise;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Knock;

/// <summary>
/// The end of a knock that is knocked at. It only answers, with no more bytes than it is asked with, and says the same again when it is
/// asked again. One thread at a time. Disposal zeroes its keys.
/// </summary>
internal sealed class KnockResponder : IDisposable
{
    /// <summary>How long it waits for the next message.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long the result is told again.</summary>
    public static readonly TimeSpan RepeatTime = TimeSpan.FromSeconds(10);

    // Whoever knows the network can ask for parts without end.
    private static readonly TimeSpan ServiceTime = TimeSpan.FromSeconds(20);

    private readonly KnockCredentials _credentials;
    private readonly XXResponder _handshake;
    private readonly byte[] _response;
    private readonly byte[] _confirmation = new byte[Blake2s.HashSize]; // the hash of the one that was taken
    private readonly uint _remoteIndex;
    private readonly TimeSpan _clockDifference;
    private KnockCipher? _fetching;
    private KnockCipher? _cipher;
    private CertificateParts? _parts;

    private KnockResponder(
        KnockCredentials credentials,
        XXResponder handshake,
        byte[] response,
        uint remoteIndex,
        uint index,
        Instant now,
        TimeSpan clockDifference)
    {
        (_credentials, _handshake, _response, _remoteIndex) = (credentials, handshake, response, remoteIndex);
        (Index, Begun, Deadline, _clockDifference) = (index, now, now + Patience, clockDifference);
    }

    /// <summary>The index by which the other end addresses it.</summary>
    public uint Index { get; }

    /// <summary>When it began.</summary>
    public Instant Begun { get; }

    /// <summary>When it is forgotten.</summary>
    public Instant Deadline { get; private set; }

    /// <summary>The key that the other end holds; none before the confirmation.</summary>
    public PublicKey Remote { get; private set; }

    /// <summary>The other end's certificate, as far as it could be read; null before it has come.</summary>
    public NodeCertificate? Certificate { get; private set; }

    /// <summary>How the knock has ended; null before it has.</summary>
    public KnockRefusal? Refusal { get; private set; }

    /// <summary>Answers an initiation that has been read.</summary>
    /// <param name="credentials">What the node introduces itself with; stay the caller's.</param>
    /// <param name="random">Bytes that nobody can predict.</param>
    /// <param name="handshake">What has read it; from now on owned by this method.</param>
    /// <param name="initiation">The initiation.</param>
    /// <param name="index">The index by which the other end is to address the result.</param>
    /// <param name="now">The time.</param>
    /// <param name="time">The time of day.</param>
    /// <param name="clockDifference">How far the other end's clock is ahead.</param>
    /// <returns>Null if the other end's ephemeral key is of low order.</returns>
    public static KnockResponder? Answer(
        KnockCredentials credentials,
        RandomBytes random,
        XXResponder handshake,
        ReadOnlySpan<byte> initiation,
        uint index,
        Instant now,
        DateTimeOffset time,
        TimeSpan clockDifference)
    {
        Span<byte> payload = stackalloc byte[KnockMessage.CertificateHeaderSize + KnockMessage.StartLength(credentials.Certificate.Length)];
        KnockMessage.WriteCertificateStart(payload, credentials.Certificate, time);
        byte[] response = new byte[KnockMessage.HeaderSize + XXMessage.SecondOverhead + payload.Length];
        KnockMessage.WriteHandshakeHeader(response, Datagram.KnockResponse, index, KnockMessage.SenderOf(initiation));
        if (!handshake.TryWriteSecond(random, KnockMessage.HeaderOf(response), payload, response.AsSpan(KnockMessage.HeaderSize)))
        {
            handshake.Dispose();
            return null;
        }
        return new KnockResponder(credentials, handshake, response, KnockMessage.SenderOf(initiation), index, now, clockDifference);
    }

    /// <summary>Writes the response, if the initiation that has come is that of a handshake that waits for its confirmation.</summary>
    /// <returns>Bytes written; 0 for none.</returns>
    public int WriteResponse(ReadOnlySpan<byte> initiation, Span<byte> answer)
    {
        if (_cipher is not null || KnockMessage.SenderOf(initiation) != _remoteIndex)
            return 0;
        _response.CopyTo(answer);
        return _response.Length;
    }

    /// <summary>Whether a confirmation is authentic as far as that is found out cheaply, and would cost more now.</summary>
    public bool IsCostly(ReadOnlySpan<byte> datagram) => _cipher is null
        && _handshake.MayReadThird(KnockMessage.HeaderOf(datagram), datagram[KnockMessage.HeaderSize..^KnockMessage.MacSize]);

    /// <summary>Takes a confirmation, for the first time or again.</summary>
    /// <param name="now">The time.</param>
    /// <param name="time">The time of day.</param>
    /// <param name="datagram">The message.</param>
    /// <param name="admission">Says who may become a peer.</param>
    /// <returns>What came of it; the answer is then to be written.</returns>
    public KnockReaction ReceiveConfirmation(Instant now, DateTimeOffset time, ReadOnlySpan<byte> datagram, IPeerAdmission admission)
    {
        Span<byte> hash = stackalloc byte[Blake2s.HashSize];
        ReadOnlySpan<byte> message = datagram[..^KnockMessage.MacSize];
        if (_cipher is not null)
        {
            Blake2s.Hash(message, hash);
            return CryptographicOperations.FixedTimeEquals(hash, _confirmation) ? KnockReaction.Answer : KnockReaction.Drop;
        }
        Span<byte> payload = stackalloc byte[message.Length - KnockMessage.HeaderSize - XXMessage.ThirdOverhead];
        if (!_handshake.TryReadThird(KnockMessage.HeaderOf(message), message[KnockMessage.HeaderSize..], payload))
            return KnockReaction.Drop;
        Blake2s.Hash(message, _confirmation);
        Remote = PublicKey.FromBytes(_handshake.RemoteStatic);
        _cipher = new KnockCipher(_handshake.Split(), isInitiator: false);
        _handshake.Dispose();
        Deadline = now + Patience;
        _parts = CertificateParts.Start(payload);
        return _parts is { IsComplete: false } ? KnockReaction.Answer : Judge(now, time, admission);
    }

    /// <summary>Takes a part of the other end's certificate, or its wish for a part of ours.</summary>
    /// <param name="now">The time.</param>
    /// <param name="time">The time of day.</param>
    /// <param name="datagram">The message; used up.</param>
    /// <param name="admission">Says who may become a peer.</param>
    /// <param name="answer">Receives the answer, if it is a part of our certificate.</param>
    /// <param name="length">Bytes of that; 0 where the answer is still to be written.</param>
    public KnockReaction ReceivePart(
        Instant now, DateTimeOffset time, Span<byte> datagram, IPeerAdmission admission, Span<byte> answer, out int length)
    {
        length = 0;
        if (_cipher is null)
            return Serve(now, datagram, answer, out length);
        if (!KnockPart.TryOpen(_cipher, datagram, out int offset, out ReadOnlySpan<byte> bytes))
            return KnockReaction.Drop;
        // What has come before is asked for again: the answer was lost.
        if (Refusal is not null || !_parts!.TryAdd(offset, bytes))
            return KnockReaction.Answer;
        Deadline = now + Patience;
        return _parts.IsComplete ? Judge(now, time, admission) : KnockReaction.Answer;
    }

    /// <summary>Writes the answer to a confirmation or part: the result, or a wish for the next part. 40 bytes.</summary>
    /// <returns>Bytes written.</returns>
    public int WriteAnswer(Span<byte> answer)
    {
        if (Refusal is not { } refusal)
            return KnockPart.SealWish(_cipher!, _remoteIndex, _parts!.Received, 0, answer);
        KnockResultMessage.Write(refusal, answer[KnockMessage.HeaderSize..]);
        return _cipher!.Seal(Datagram.KnockResult, _remoteIndex, answer, KnockMessage.ResultSize);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _handshake.Dispose();
        _fetching?.Dispose();
        _cipher?.Dispose();
    }

    private KnockReaction Serve(Instant now, Span<byte> datagram, Span<byte> answer, out int length)
    {
        length = 0;
        int room = datagram.Length;
        ReadOnlySpan<byte> certificate = _credentials.Certificate;
        if (certificate.Length <= KnockMessage.MaximumCertificateStart)
            return KnockReaction.Drop;
        _fetching ??= new KnockCipher(_handshake.Derive(KnockHandshake.PartLabel), isInitiator: false);
        if (!KnockPart.TryOpen(_fetching, datagram, out int offset, out _) || offset >= certificate.Length)
            return KnockReaction.Drop;
        int end = Math.Min(certificate.Length, offset + room - KnockCipher.Overhead - KnockMessage.PartHeaderSize);
        if (end <= offset)
            return KnockReaction.Drop;
        Deadline = Instant.Earlier(now + Patience, Begun + ServiceTime);
        length = KnockPart.Seal(_fetching, _remoteIndex, certificate[..end], offset, answer);
        return KnockReaction.Answer;
    }

    private KnockReaction Judge(Instant now, DateTimeOffset time, IPeerAdmission admission)
    {
        Refusal = KnockHandshake.Judge(
            admission,
            _parts is null ? default : _parts.Bytes,
            Remote,
            _credentials.PublicKey,
            time,
            _clockDifference,
            out NodeCertificate? certificate);
        Certificate = certificate;
        Deadline = now + RepeatTime;
        return KnockReaction.End;
    }
}
