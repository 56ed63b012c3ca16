using System.Security.Cryptography;
using ChaCha20Poly1305 = Kedge.Crypto.ChaCha20Poly1305;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// What a responder keeps of the last handshake it finished with a peer: enough to confirm it as often as the initiator asks. Owned by the
/// exchange's thread; zeroed on disposal.
/// </summary>
internal sealed class Confirmation : IDisposable
{
    private readonly byte[] _responderKey = GC.AllocateArray<byte>(KeyedHashes.Size, pinned: true);
    private ulong _counter;

    /// <summary>Takes its key from the chaining key of the finished handshake.</summary>
    public Confirmation(HashDomains domains, ChainingKey ck, UInt128 biscuitNo)
    {
        ck.Derive(domains.ResponderHandshakeEncryption, _responderKey);
        BiscuitNo = biscuitNo;
    }

    /// <summary>The biscuit that the handshake was finished with, which names it.</summary>
    public UInt128 BiscuitNo { get; }

    /// <summary>Writes the confirmation, each time under the next counter.</summary>
    public void Write(PeerKeys peer, ReadOnlySpan<byte> sidi, EmptyData message)
    {
        sidi.CopyTo(message.Sid);
        message.Ctr = _counter++;
        Span<byte> nonce = stackalloc byte[ChaCha20Poly1305.NonceSize];
        message.WriteNonce(nonce);
        ChaCha20Poly1305.Seal(_responderKey, nonce, default, default, message.Auth);
        message.Envelope.SetType(MessageType.EmptyData);
        Macs.Sign(message.Envelope, peer.Dialect.Hash, peer.PublicKey);
    }

    /// <summary>Zeroes the key.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_responderKey);
}
