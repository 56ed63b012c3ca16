using System.Buffers.Binary;
using System.Security.Cryptography;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Rosenpass;

// What arrives. Size and MAC come first, so that who does not know our key costs two short hashes.
public sealed partial class RosenpassExchange
{
    /// <summary>Takes a datagram.</summary>
    /// <param name="now">The time.</param>
    /// <param name="message">The datagram; not changed.</param>
    /// <param name="source">Where it came from, and where a reply goes.</param>
    /// <param name="isUnderLoad">
    /// Whether senders that no peer is known by have to prove first that their address is theirs, where the dialect lets them.
    /// </param>
    /// <param name="datagram">Receives a reply.</param>
    /// <param name="outputKey">Receives a key where one was exchanged.</param>
    public RosenpassOutcome Receive(
        Instant now, Span<byte> message, Endpoint source, bool isUnderLoad, Span<byte> datagram, Span<byte> outputKey)
    {
        if (message.IsEmpty)
            return RosenpassOutcome.Drop(RosenpassDropReason.Malformed);
        return message[0] switch
        {
            MessageType.InitHello => ReceiveInitHello(now, message, source, isUnderLoad, datagram),
            MessageType.RespHello => ReceiveRespHello(message, source),
            MessageType.InitConf => ReceiveInitConf(now, message, source, datagram, outputKey),
            MessageType.EmptyData => ReceiveEmptyData(message),
            MessageType.CookieReply => ReceiveCookieReply(now, message, datagram),
            _ => RosenpassOutcome.Drop(RosenpassDropReason.Malformed),
        };
    }

    private RosenpassOutcome ReceiveInitHello(Instant now, Span<byte> message, Endpoint source, bool isUnderLoad, Span<byte> datagram)
    {
        int size = message.Length;
        RosenpassDialect? dialect = FindDialect(message, candidate => candidate.InitHelloSize == size, out RosenpassDropReason unknown);
        if (dialect is null)
            return RosenpassOutcome.Drop(unknown);
        var hello = new InitHello(dialect, message);
        bool isStranger = !KnownSources.Contains(source);
        if (isUnderLoad && isStranger && dialect.HasCookies && !_cookies.IsValid(now, hello.Envelope, source))
        {
            // As long as the question: no amplification, and what the specification asks for.
            _random(datagram[CookieReply.Size..size]);
            _cookies.Reply(now, hello, source, new CookieReply(datagram));
            return RosenpassOutcome.ToNetwork(size, source);
        }
        RosenpassDropReason refusal = _budget.TryEnter(now, source, isStranger);
        return refusal == RosenpassDropReason.None
            ? RosenpassOutcome.Run(
                new RespHelloJob(_own, _peers, dialect, message.ToArray(), source, NewSessionId()) { IsStranger = isStranger })
            : RosenpassOutcome.Drop(refusal);
    }

    private RosenpassOutcome ReceiveRespHello(Span<byte> message, Endpoint source)
    {
        if (message.Length < Envelope.Overhead + 8)
            return RosenpassOutcome.Drop(RosenpassDropReason.Malformed);
        if (FindHandshake(message[8..12], awaitsEmptyData: false) is not { } peer)
            return RosenpassOutcome.Drop(RosenpassDropReason.UnknownSession);
        if (message.Length != peer.Dialect.RespHelloSize)
            return RosenpassOutcome.Drop(RosenpassDropReason.Malformed);
        if (!Macs.IsValid(new Envelope(message), peer.Dialect.Hash, _own.PublicKey))
            return RosenpassOutcome.Drop(RosenpassDropReason.InvalidMac);
        InitiatorHandshake handshake = peer.Handshake!;
        if (handshake.IsFinishing)
            return RosenpassOutcome.Drop(RosenpassDropReason.Busy);
        handshake.IsFinishing = true;
        return RosenpassOutcome.Run(new InitConfJob(_own, peer, handshake, message.ToArray(), source));
    }

    private RosenpassOutcome ReceiveInitConf(
        Instant now, Span<byte> message, Endpoint source, Span<byte> datagram, Span<byte> outputKey)
    {
        int size = message.Length;
        RosenpassDialect? dialect = FindDialect(message, _ => size == InitConf.Size, out RosenpassDropReason unknown);
        if (dialect is null)
            return RosenpassOutcome.Drop(unknown);
        var conf = new InitConf(message);
        using var ck = new ChainingKey(dialect.Domains);
        if (!TryReadInitConf(now, conf, dialect, ck, out PeerId sender, out UInt128 biscuitNo))
            return RosenpassOutcome.Drop(RosenpassDropReason.NotAuthentic);
        if (!_peers.TryGetValue(sender, out RosenpassPeer? peer) || peer.Dialect.Hash != dialect.Hash)
            return RosenpassOutcome.Drop(RosenpassDropReason.UnknownPeer);

        bool isDuplicate = peer.Confirmation?.BiscuitNo == biscuitNo;
        if (!isDuplicate)
        {
            if (biscuitNo <= peer.BiscuitUsed)
                return RosenpassOutcome.Drop(RosenpassDropReason.Replayed);
            if (peer.HasPrecedence(now))
                return RosenpassOutcome.Drop(RosenpassDropReason.Superseded);
            peer.BiscuitUsed = biscuitNo;
            peer.KeepConfirmation(new Confirmation(dialect.Domains, ck, biscuitNo));
            ck.Derive(peer.Keys.OutputKeyDomain, outputKey[..OutputKeySize]);
            FinishExchange(now, peer, source, isInitiator: false);
            _budget.NoteAuthenticated(now, source);
            DropHandshake(peer);
        }
        peer.Confirmation!.Write(peer.Keys, conf.Sidi, new EmptyData(datagram));
        RosenpassOutcome reply = RosenpassOutcome.ToNetwork(EmptyData.Size, source);
        return isDuplicate ? reply : reply with { Peer = peer, KeyReason = OutputKeyReason.Exchanged };
    }

    private bool TryReadInitConf(
        Instant now, InitConf message, RosenpassDialect dialect, ChainingKey ck, out PeerId sender, out UInt128 biscuitNo)
    {
        Span<byte> additionalData = stackalloc byte[KeyedHashes.Size];
        var biscuit = new Biscuit(stackalloc byte[Biscuit.Size]);
        BiscuitKeys.WriteAdditionalData(
            dialect.Hash, _own.PublicKey.HashesUnder(dialect.Hash), message.Sidi, message.Sidr, additionalData);
        bool authentic = _biscuits.TryOpen(now, additionalData, message.Biscuit, biscuit)
            && ResponderHandshake.TryConfirm(message, biscuit.Ck, ck);
        sender = authentic ? PeerId.FromBytes(biscuit.Pidi) : default;
        biscuitNo = authentic ? biscuit.BiscuitNo : default;
        CryptographicOperations.ZeroMemory(biscuit.Bytes);
        return authentic;
    }

    private RosenpassOutcome ReceiveEmptyData(Span<byte> message)
    {
        if (message.Length != EmptyData.Size)
            return RosenpassOutcome.Drop(RosenpassDropReason.Malformed);
        var confirmation = new EmptyData(message);
        if (FindHandshake(confirmation.Sid, awaitsEmptyData: true) is not { } peer)
            return RosenpassOutcome.Drop(RosenpassDropReason.UnknownSession);
        if (!Macs.IsValid(confirmation.Envelope, peer.Dialect.Hash, _own.PublicKey))
            return RosenpassOutcome.Drop(RosenpassDropReason.InvalidMac);
        if (!peer.Handshake!.IsConfirmedBy(confirmation))
            return RosenpassOutcome.Drop(RosenpassDropReason.NotAuthentic);
        DropHandshake(peer);
        peer.VoidBiscuits(_lastBiscuitNo);
        return RosenpassOutcome.Nothing;
    }

    private RosenpassOutcome ReceiveCookieReply(Instant now, Span<byte> message, Span<byte> datagram)
    {
        if (message.Length < CookieReply.Size)
            return RosenpassOutcome.Drop(RosenpassDropReason.Malformed);
        var reply = new CookieReply(message);
        RosenpassPeer? peer = FindHandshake(reply.Sid, awaitsEmptyData: false);
        if (peer is null)
            return RosenpassOutcome.Drop(RosenpassDropReason.UnknownSession);
        if (!peer.Dialect.HasCookies || message.Length != peer.Dialect.InitHelloSize)
            return RosenpassOutcome.Drop(RosenpassDropReason.Malformed);
        return peer.Handshake!.TryTakeCookie(now, peer.Keys.PublicKey, reply)
            ? Transmit(now, peer, datagram)
            : RosenpassOutcome.Drop(RosenpassDropReason.InvalidCookieReply);
    }

    /// <summary>Nothing on the wire says which dialect a message is in, but its size may, and its MAC does.</summary>
    private RosenpassDialect? FindDialect(Span<byte> message, Predicate<RosenpassDialect> hasSize, out RosenpassDropReason reason)
    {
        reason = RosenpassDropReason.Malformed;
        foreach (RosenpassDialect dialect in _dialects)
        {
            if (!hasSize(dialect))
                continue;
            if (Macs.IsValid(new Envelope(message), dialect.Hash, _own.PublicKey))
                return dialect;
            reason = RosenpassDropReason.InvalidMac;
        }
        return null;
    }

    private RosenpassPeer? FindHandshake(ReadOnlySpan<byte> sidi, bool awaitsEmptyData) =>
        _handshakes.TryGetValue(BinaryPrimitives.ReadUInt32LittleEndian(sidi), out RosenpassPeer? peer)
        && peer.Handshake!.AwaitsEmptyData == awaitsEmptyData
            ? peer
            : null;

    private HashSet<Endpoint> KnownSources => _knownSources ??=
        [.. _peers.Values.SelectMany(peer => new[] { peer.Endpoint, peer.ConfiguredEndpoint }).Where(endpoint => !endpoint.IsNone)];
}
