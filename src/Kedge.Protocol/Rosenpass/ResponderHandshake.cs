using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// The responder's half of a handshake, which it keeps nothing of: <see cref="TryRead"/> and <see cref="Encapsulate"/> are the expensive
/// part, for any thread; the rest needs the biscuits and is the exchange's.
/// </summary>
internal static class ResponderHandshake
{
    /// <summary>Reads an <see cref="InitHello"/> into a new chaining key.</summary>
    /// <param name="own">The own key pair.</param>
    /// <param name="peers">Who may have sent it.</param>
    /// <param name="message">The message.</param>
    /// <param name="dialect">The dialect whose size and MAC it has.</param>
    /// <param name="ck">The chaining key to work with.</param>
    /// <param name="reason">Why there is no sender.</param>
    /// <returns>Its sender; null when it has none.</returns>
    public static RosenpassPeer? TryRead(
        StaticKeyPair own,
        IReadOnlyDictionary<PeerId, RosenpassPeer> peers,
        InitHello message,
        RosenpassDialect dialect,
        ChainingKey ck,
        out RosenpassDropReason reason)
    {
        reason = RosenpassDropReason.NotAuthentic;
        ck.Set(own.PublicKey.HashesUnder(dialect.Hash).ChainingKeyInit);
        ck.Mix(message.Sidi);
        ck.Mix(message.Epki);
        ck.DecapsulateAndMix(dialect.StaticKem, own.SecretKey, own.PublicKey.Bytes, message.Sctr);
        Span<byte> pidi = stackalloc byte[PeerId.Size];
        if (!ck.TryDecryptAndMix(message.PidiCt, pidi))
            return null;
        if (!peers.TryGetValue(PeerId.FromBytes(pidi), out RosenpassPeer? peer) || peer.Keys.Dialect != dialect)
        {
            reason = RosenpassDropReason.UnknownPeer;
            return null;
        }
        ck.Mix(peer.Keys.PublicKey.Bytes);
        ck.Mix(peer.Keys.PresharedKey);
        if (!ck.TryDecryptAndMix(message.Auth, default))
            return null;
        reason = RosenpassDropReason.None;
        return peer;
    }

    /// <summary>Writes the two ciphertexts and the session ids of the <see cref="RespHello"/>.</summary>
    /// <exception cref="CryptographicException">The initiator's ephemeral key is none.</exception>
    public static void Encapsulate(PeerKeys peer, InitHello message, uint sidr, ChainingKey ck, RespHello answer)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(answer.Sidr, sidr);
        message.Sidi.CopyTo(answer.Sidi);
        ck.Mix(answer.Sidr);
        ck.Mix(answer.Sidi);
        ck.EncapsulateAndMix(peer.Dialect.EphemeralKem, message.Epki, answer.Ecti);
        ck.EncapsulateAndMix(peer.Dialect.StaticKem, peer.PublicKey.Bytes, answer.Scti);
    }

    /// <summary>Writes the rest of the <see cref="RespHello"/>.</summary>
    public static void Answer(
        Instant now, StaticKeyPair own, PeerKeys peer, BiscuitKeys biscuits, UInt128 biscuitNo, ChainingKey ck, RespHello answer)
    {
        RosenpassDialect dialect = peer.Dialect;
        Span<byte> additionalData = stackalloc byte[KeyedHashes.Size];
        BiscuitKeys.WriteAdditionalData(dialect.Hash, own.PublicKey.HashesUnder(dialect.Hash), answer.Sidi, answer.Sidr, additionalData);
        var biscuit = new Biscuit(stackalloc byte[Biscuit.Size]) { BiscuitNo = biscuitNo };
        peer.PublicKey.IdUnder(dialect.Hash).CopyTo(biscuit.Pidi);
        ck.Bytes.CopyTo(biscuit.Ck);
        biscuits.Seal(now, additionalData, biscuit, answer.Biscuit);
        CryptographicOperations.ZeroMemory(biscuit.Bytes);
        ck.Mix(answer.Biscuit);
        ck.EncryptAndMix(default, answer.Auth);
        answer.Envelope.SetType(MessageType.RespHello);
        Macs.Sign(answer.Envelope, dialect.Hash, peer.PublicKey);
    }

    /// <summary>Reads an <see cref="InitConf"/>, starting from the chaining key in its biscuit.</summary>
    /// <returns>Whether it is authentic; then the session's keys can be derived from <paramref name="ck"/>.</returns>
    public static bool TryConfirm(InitConf message, ReadOnlySpan<byte> biscuitCk, ChainingKey ck)
    {
        Span<byte> auth = stackalloc byte[16];
        ck.Set(biscuitCk);
        ck.Mix(message.Biscuit);
        ck.EncryptAndMix(default, auth); // as in the RespHello
        ck.Mix(message.Sidi);
        ck.Mix(message.Sidr);
        return ck.TryDecryptAndMix(message.Auth, default);
    }
}
