using System.Security.Cryptography;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// A static public key and what each dialect's hash makes of it. A key has half a megabyte: each hash is taken once, when it is
/// first asked for. Immutable, for any thread.
/// </summary>
public sealed class StaticPublicKey
{
    private readonly byte[] _bytes;
    private readonly Lazy<PublicKeyHashes>[] _hashes;

    /// <summary>Takes a key, which is not copied and must not change.</summary>
    public StaticPublicKey(byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        _bytes = bytes;
        _hashes = [new(() => new(HashDomains.Of(KeyedHash.Blake2b), bytes)), new(() => new(HashDomains.Of(KeyedHash.Shake256), bytes))];
    }

    /// <summary>The key: 524160 bytes in Classic McEliece 460896.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The name of the key's holder.</summary>
    public PeerId IdUnder(KeyedHash hash) => HashesUnder(hash).PeerId;

    internal PublicKeyHashes HashesUnder(KeyedHash hash) => _hashes[(int)hash].Value;
}

/// <summary>What one hash makes of a static public key. None of it is secret; 32 bytes each.</summary>
internal sealed class PublicKeyHashes(HashDomains domains, byte[] publicKey)
{
    /// <summary>The name of the key's holder.</summary>
    public PeerId PeerId { get; } = PeerId.FromBytes(Hash(domains, domains.PeerId, publicKey));

    /// <summary>The key of the MAC of messages to the holder.</summary>
    public byte[] MacKey { get; } = Hash(domains, domains.Mac, publicKey);

    /// <summary>What the chaining key of a handshake with the holder as responder starts from.</summary>
    public byte[] ChainingKeyInit { get; } = Hash(domains, domains.ChainingKeyInit, publicKey);

    /// <summary>What the additional data of the holder's biscuits starts from.</summary>
    public byte[] BiscuitAdditionalData { get; } = Hash(domains, domains.BiscuitAdditionalData, publicKey);

    /// <summary>The key that the holder encrypts its cookies with.</summary>
    public byte[] CookieKey { get; } = Hash(domains, domains.CookieKey, publicKey);

    private static byte[] Hash(HashDomains domains, byte[] domain, byte[] publicKey)
    {
        var hash = new byte[KeyedHashes.Size];
        domains.Hash.Compute(domain, publicKey, hash);
        return hash;
    }
}

/// <summary>An own static key pair. The secret key is in memory that never moves, and zeroed on disposal.</summary>
public sealed class StaticKeyPair : IDisposable
{
    private readonly byte[] _secretKey;

    /// <summary>Takes a key pair.</summary>
    /// <param name="publicKey">The public key.</param>
    /// <param name="secretKey">Its secret key, in the layout that the dialects' static mechanism reads; copied.</param>
    public StaticKeyPair(StaticPublicKey publicKey, ReadOnlySpan<byte> secretKey)
    {
        PublicKey = publicKey;
        _secretKey = GC.AllocateUninitializedArray<byte>(secretKey.Length, pinned: true);
        secretKey.CopyTo(_secretKey);
    }

    /// <summary>The public key.</summary>
    public StaticPublicKey PublicKey { get; }

    /// <summary>The secret key. Never to be logged or copied to where it is not zeroed.</summary>
    public ReadOnlySpan<byte> SecretKey => _secretKey;

    /// <summary>Zeroes the secret key.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_secretKey);
}
