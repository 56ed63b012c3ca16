using System.Security.Cryptography;
using Kedge.Crypto.Kem;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Fuzz.Rosenpass;

/// <summary>
/// A mechanism with the sizes that messages show and no security at all: the secret key is the public key. A ciphertext that was changed
/// gives another secret, as implicit rejection does. Fast, and the same seed gives the same bytes.
/// </summary>
public sealed class FakeKem(string name, int keySize, int ciphertextSize, int seed) : IKem
{
    private readonly Random _random = new(seed);

    public string Name => name;

    public int PublicKeySize => keySize;

    public int SecretKeySize => keySize;

    public int CiphertextSize => ciphertextSize;

    public int SharedSecretSize => 32;

    public void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey)
    {
        _random.NextBytes(publicKey);
        publicKey.CopyTo(secretKey);
    }

    public void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret)
    {
        _random.NextBytes(ciphertext);
        Decapsulate(publicKey, ciphertext, sharedSecret);
    }

    public void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret) =>
        SHA256.HashData([.. secretKey, .. ciphertext], sharedSecret);
}

/// <summary>The three dialects on fake mechanisms. The static keys are short: their size is in no message.</summary>
public sealed class FakeDialects
{
    private const int StaticKeySize = 64;

    /// <summary>Makes them; the seed decides all keys.</summary>
    public FakeDialects(int seed)
    {
        var ephemeral = new FakeKem("ephemeral", 800, 768, seed);
        var confirming = new FakeKem("static, 188 bytes", StaticKeySize, 188, seed + 1);
        var plain = new FakeKem("static, 156 bytes", StaticKeySize, 156, seed + 2);
        All =
        [
            new RosenpassDialect("released", KeyedHash.Blake2b, confirming, ephemeral, hasCookies: false),
            new RosenpassDialect("V02", KeyedHash.Blake2b, plain, ephemeral, hasCookies: true),
            new RosenpassDialect("V03", KeyedHash.Shake256, plain, ephemeral, hasCookies: true),
        ];
    }

    /// <summary>Released, V02, V03.</summary>
    public IReadOnlyList<RosenpassDialect> All { get; }

    /// <summary>A key pair that serves all of them, which the caller disposes.</summary>
    public StaticKeyPair NewKeyPair()
    {
        byte[] publicKey = new byte[StaticKeySize], secretKey = new byte[StaticKeySize];
        All[0].StaticKem.GenerateKeyPair(publicKey, secretKey);
        return new StaticKeyPair(new StaticPublicKey(publicKey), secretKey);
    }
}
