using System.Security.Cryptography;
using Kedge.Crypto;

namespace Kedge.Protocol.Noise;

/// <summary>The key pair that each end makes for one handshake.</summary>
internal static class EphemeralKey
{
    /// <summary>Makes one, which the caller disposes.</summary>
    public static X25519PrivateKey Generate(RandomBytes random)
    {
        Span<byte> key = stackalloc byte[X25519.KeySize];
        random(key);
        var generated = new X25519PrivateKey(key);
        CryptographicOperations.ZeroMemory(key);
        return generated;
    }
}
