using System.Security.Cryptography;
using Kedge.Crypto;

namespace Kedge.Demo;

/// <summary>The keys of a WireGuard peer in the notation of <c>wg</c>, base64 of 32 bytes.</summary>
/// <param name="PrivateKey">The private key.</param>
/// <param name="PublicKey">The public key that belongs to it.</param>
public sealed record WireGuardKeys(string PrivateKey, string PublicKey)
{
    /// <summary>A new pair of keys.</summary>
    public static WireGuardKeys Generate()
    {
        byte[] privateKey = RandomNumberGenerator.GetBytes(X25519.KeySize), publicKey = new byte[X25519.KeySize];
        X25519.Clamp(privateKey);
        X25519.PublicKey(privateKey, publicKey);
        return new(Convert.ToBase64String(privateKey), Convert.ToBase64String(publicKey));
    }

    /// <summary>A new preshared key, base64 of 32 bytes.</summary>
    public static string GeneratePresharedKey() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <summary>The public key alone: a private key belongs into no message.</summary>
    public override string ToString() => PublicKey;
}
