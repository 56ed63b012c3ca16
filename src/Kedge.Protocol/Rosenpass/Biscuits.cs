using System.Buffers.Binary;
using System.Security.Cryptography;
using Kedge.Crypto;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// What a responder needs to know to finish a handshake, and lets the initiator keep for it, so that strangers cannot fill its memory: a
/// view of 76 bytes of plaintext.
/// </summary>
internal readonly ref struct Biscuit(Span<byte> bytes)
{
    /// <summary>Bytes of plaintext.</summary>
    public const int Size = 76;

    /// <summary>Bytes on the wire: with nonce and tag.</summary>
    public const int CiphertextSize = XChaCha20Poly1305.NonceSize + Size + XChaCha20Poly1305.TagSize;

    /// <summary>The whole plaintext.</summary>
    public Span<byte> Bytes { get; } = bytes[..Size];

    /// <summary>The initiator's peer id, 32 bytes.</summary>
    public Span<byte> Pidi => Bytes[..32];

    /// <summary>Which biscuit it is: 96 bits, little-endian, counted from 1.</summary>
    public UInt128 BiscuitNo
    {
        get => BinaryPrimitives.ReadUInt64LittleEndian(Bytes[32..]) | ((UInt128)BinaryPrimitives.ReadUInt32LittleEndian(Bytes[40..]) << 64);
        set
        {
            BinaryPrimitives.WriteUInt64LittleEndian(Bytes[32..], (ulong)value);
            BinaryPrimitives.WriteUInt32LittleEndian(Bytes[40..], (uint)(value >> 64));
        }
    }

    /// <summary>The chaining key as it was before the biscuit went into it, 32 bytes.</summary>
    public Span<byte> Ck => Bytes[44..];
}

/// <summary>
/// The keys that an end encrypts its biscuits with, in two slots: one encrypts and decrypts, its predecessor only decrypts. The slot is the
/// first bit of the nonce. One thread at a time; zeroed on disposal.
/// </summary>
internal sealed class BiscuitKeys(RosenpassTiming timing, RandomBytes random) : IDisposable
{
    private readonly byte[][] _keys = [NewKey(), NewKey()];
    private readonly Instant?[] _made = new Instant?[2];
    private int _current;

    /// <summary>Encrypts a biscuit.</summary>
    /// <param name="now">The time.</param>
    /// <param name="additionalData">What <see cref="WriteAdditionalData"/> writes.</param>
    /// <param name="biscuit">The plaintext.</param>
    /// <param name="destination">Receives 116 bytes.</param>
    public void Seal(Instant now, ReadOnlySpan<byte> additionalData, Biscuit biscuit, Span<byte> destination)
    {
        Renew(now);
        Span<byte> nonce = destination[..XChaCha20Poly1305.NonceSize];
        random(nonce);
        nonce[0] = (byte)((nonce[0] & 0x7F) | (_current << 7));
        XChaCha20Poly1305.Seal(_keys[_current], nonce, additionalData, biscuit.Bytes, destination[XChaCha20Poly1305.NonceSize..]);
    }

    /// <summary>Decrypts a biscuit; false when it is none of ours, or too old.</summary>
    public bool TryOpen(Instant now, ReadOnlySpan<byte> additionalData, ReadOnlySpan<byte> ciphertext, Biscuit biscuit)
    {
        ReadOnlySpan<byte> nonce = ciphertext[..XChaCha20Poly1305.NonceSize];
        int slot = nonce[0] >> 7;
        return _made[slot] is { } made
            && now - made < 2 * timing.BiscuitEpoch
            && XChaCha20Poly1305.TryOpen(
                _keys[slot], nonce, additionalData, ciphertext[XChaCha20Poly1305.NonceSize..], biscuit.Bytes);
    }

    /// <summary>What a biscuit is bound to: the responder and both session ids. Writes 32 bytes.</summary>
    public static void WriteAdditionalData(
        KeyedHash hash, PublicKeyHashes responder, ReadOnlySpan<byte> sidi, ReadOnlySpan<byte> sidr, Span<byte> destination)
    {
        hash.Compute(responder.BiscuitAdditionalData, sidi, destination);
        hash.Compute(destination, sidr, destination);
    }

    /// <summary>Zeroes the keys.</summary>
    public void Dispose()
    {
        foreach (byte[] key in _keys)
            CryptographicOperations.ZeroMemory(key);
        _made.AsSpan().Clear();
    }

    private static byte[] NewKey() => GC.AllocateArray<byte>(XChaCha20Poly1305.KeySize, pinned: true);

    private void Renew(Instant now)
    {
        if (_made[_current] is { } made)
        {
            if (now - made < timing.BiscuitEpoch)
                return;
            _current ^= 1;
        }
        random(_keys[_current]);
        _made[_current] = now;
    }
}
