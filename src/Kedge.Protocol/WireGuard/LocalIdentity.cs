using System.Security.Cryptography;
using Kedge.Crypto;

namespace Kedge.Protocol.WireGuard;

/// <summary>A device's own static key pair. The private key is in memory that never moves, and zeroed on disposal.</summary>
public sealed class LocalIdentity : IDisposable
{
    private readonly byte[] _privateKey = GC.AllocateArray<byte>(X25519.KeySize, pinned: true);

    /// <summary>Makes an identity of a private key, which is copied.</summary>
    /// <param name="privateKey">32 bytes; clamped as RFC 7748 section 5 says.</param>
    public LocalIdentity(ReadOnlySpan<byte> privateKey)
    {
        privateKey.CopyTo(_privateKey);
        X25519.Clamp(_privateKey);
        Span<byte> publicKey = stackalloc byte[PublicKey.Size];
        Key = new X25519PrivateKey(_privateKey);
        Key.WritePublicKey(publicKey);
        PublicKey = PublicKey.FromBytes(publicKey);
    }

    /// <summary>The public key.</summary>
    public PublicKey PublicKey { get; }

    /// <summary>The private key, 32 bytes, clamped. Never to be logged or copied to where it is not zeroed.</summary>
    public ReadOnlySpan<byte> PrivateKey => _privateKey;

    /// <summary>The private key, to agree on secrets with.</summary>
    internal X25519PrivateKey Key { get; }

    /// <summary>Zeroes the private key.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_privateKey);
        Key.Dispose();
    }
}
