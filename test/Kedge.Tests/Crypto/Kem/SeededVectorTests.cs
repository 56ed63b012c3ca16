using System.Security.Cryptography;
using Kedge.Crypto.Kem;
using Kedge.Crypto.Kem.Kyber;
using Kedge.Crypto.Kem.McEliece;

namespace Kedge.Tests.Crypto.Kem;

/// <summary>The managed mechanisms from a seed on: keys, ciphertexts and secrets of the reference implementations, bit for bit.</summary>
public sealed class SeededVectorTests
{
    [Theory]
    [InlineData("kyber512", 0)]
    [InlineData("kyber512", 1)]
    [InlineData("mlkem512", 0)]
    [InlineData("mlkem512", 1)]
    [InlineData("mceliece460896", 0)]
    [InlineData("mceliece460896", 1)]
    [InlineData("mceliece460896pc", 0)]
    [InlineData("mceliece460896pc", 1)]
    public void A_seed_gives_the_published_keys_ciphertext_and_secret(string name, int count)
    {
        Dictionary<string, string> vector = KemVector.Read($"{name}.rsp.gz")[count];
        var generator = new NistGenerator(vector.Bytes("seed"));
        ISeededKem kem = Create(name);
        byte[] publicKey = new byte[kem.PublicKeySize], secretKey = new byte[kem.SecretKeySize];
        if (name == "mceliece460896pc")
            Round2McEliece.GenerateKeyPair(generator, publicKey, secretKey);
        else
            kem.GenerateKeyPair(publicKey, secretKey, name == "mlkem512" ? Halves(generator) : generator.Fill);

        if (vector.TryGetValue("pk", out string? expected))
            Assert.Equal(expected, Convert.ToHexString(publicKey));
        else
            Assert.Equal(vector["pk_sha256"], Convert.ToHexString(SHA256.HashData(publicKey)));

        Assert.Equal(vector["sk"], Convert.ToHexString(OfLayout(vector, secretKey)));

        byte[] ciphertext = new byte[kem.CiphertextSize], secret = new byte[kem.SharedSecretSize], again = new byte[kem.SharedSecretSize];
        kem.Encapsulate(publicKey, ciphertext, secret, generator.Fill);
        Assert.Equal(vector["ct"], Convert.ToHexString(ciphertext));
        Assert.Equal(vector["ss"], Convert.ToHexString(secret));
        kem.Decapsulate(secretKey, ciphertext, again);
        Assert.Equal(vector["ss"], Convert.ToHexString(again));
    }

    private static ISeededKem Create(string name) => name switch
    {
        "kyber512" => new ManagedKyber512(isRound3: true),
        "mlkem512" => new ManagedKyber512(isRound3: false),
        "mceliece460896" => new ManagedMcEliece460896(isConfirmed: false),
        _ => new ManagedMcEliece460896(isConfirmed: true),
    };

    // ML-KEM's reference asks for d and z at once.
    private static FillRandom Halves(NistGenerator generator)
    {
        byte[] both = new byte[64];
        generator.Fill(both);
        int used = 0;
        return destination =>
        {
            both.AsSpan(used, destination.Length).CopyTo(destination);
            used += destination.Length;
        };
    }

    private static byte[] OfLayout(Dictionary<string, string> vector, byte[] secretKey)
    {
        if (vector["sk"].Length == 2 * secretKey.Length)
            return secretKey;
        byte[] shortKey = new byte[McElieceSecretKey.ShortSize];
        McElieceSecretKey.ToShort(secretKey, shortKey);
        return shortKey;
    }
}
