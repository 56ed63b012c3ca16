using System.Security.Cryptography;
using Kedge.Crypto.Kem;

namespace Kedge.Tests.Crypto.Kem;

/// <summary>Every implementation that this machine has, held to the same vectors.</summary>
public sealed class DecapsulationTests(ITestOutputHelper output)
{
    public static IEnumerable<TheoryDataRow<string, string>> Implementations() => KemImplementation.All
        .Where(implementation => implementation.IsSupported)
        .Select(implementation => new TheoryDataRow<string, string>(implementation.Mechanism, implementation.Name));

    [Theory]
    [MemberData(nameof(Implementations))]
    public void A_published_ciphertext_gives_the_published_secret(string mechanism, string name)
    {
        IKem kem = Create(mechanism, name);
        foreach (Dictionary<string, string> vector in KemVector.Read($"{mechanism}.rsp.gz"))
            Assert.Equal(vector["ss"], Decapsulate(kem, vector, vector.Bytes("ct")));
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void A_bad_ciphertext_gives_the_published_other_secret(string mechanism, string name)
    {
        IKem kem = Create(mechanism, name);
        IReadOnlyList<Dictionary<string, string>> keys = KemVector.Read($"{mechanism}.rsp.gz");
        Dictionary<string, string>[] bad = [.. KemVector.Read("rejection.rsp.gz").Where(vector => vector["kem"] == mechanism)];
        Assert.Equal(6, bad.Length);
        foreach (Dictionary<string, string> vector in bad)
        {
            string secret = Decapsulate(kem, keys.Single(key => key["count"] == vector["count"]), vector.Bytes("ct"));
            if (mechanism == "kyber512" && name == "openssl")
                Assert.NotEqual(keys.Single(key => key["count"] == vector["count"])["ss"], secret);
            else
                Assert.Equal(vector["ss"], secret);
        }
    }

    [Theory]
    [MemberData(nameof(Implementations))]
    public void Both_sides_agree_with_fresh_keys_whichever_implementation_decapsulates(string mechanism, string name)
    {
        IKem kem = Create(mechanism, name);
        byte[] publicKey = new byte[kem.PublicKeySize], secretKey = new byte[kem.SecretKeySize], ciphertext = new byte[kem.CiphertextSize];
        byte[] sent = new byte[kem.SharedSecretSize], received = new byte[kem.SharedSecretSize];
        kem.GenerateKeyPair(publicKey, secretKey);
        foreach (KemImplementation other in KemImplementation.All.Where(other => other.Mechanism == mechanism && other.IsSupported))
        {
            other.Create().Encapsulate(publicKey, ciphertext, sent);
            kem.Decapsulate(secretKey, ciphertext, received);
            Assert.Equal(sent, received);
            other.Create().Decapsulate(secretKey, ciphertext, received);
            Assert.Equal(sent, received);
        }
    }

    [Fact]
    public void A_key_with_a_coefficient_of_the_modulus_or_more_is_refused_by_ml_kem_alone()
    {
        byte[] publicKey = KemVector.Read("mlkem512.rsp.gz")[0].Bytes("pk");
        (publicKey[0], publicKey[1]) = (0x01, (byte)((publicKey[1] & 0xf0) | 0x0d));
        byte[] ciphertext = new byte[768], secret = new byte[32];
        foreach (KemImplementation implementation in KemImplementation.All.Where(implementation => implementation.IsSupported))
        {
            if (implementation.Mechanism == "mlkem512")
                Assert.ThrowsAny<CryptographicException>(() => implementation.Create().Encapsulate(publicKey, ciphertext, secret));
            if (implementation.Mechanism == "kyber512")
                implementation.Create().Encapsulate(publicKey, ciphertext, secret);
        }
    }

    [Fact]
    public void A_short_secret_key_survives_conversion()
    {
        byte[] shortKey = KemVector.Read("mceliece460896pc.rsp.gz")[0].Bytes("sk");
        byte[] key = new byte[McElieceSecretKey.Size], back = new byte[McElieceSecretKey.ShortSize];
        McElieceSecretKey.FromShort(shortKey, key);
        McElieceSecretKey.ToShort(key, back);
        Assert.Equal(shortKey, back);
    }

    private IKem Create(string mechanism, string name)
    {
        output.WriteLine($"{mechanism} by {name}");
        return KemImplementation.All.Single(one => one.Mechanism == mechanism && one.Name == name).Create();
    }

    private static string Decapsulate(IKem kem, Dictionary<string, string> key, byte[] ciphertext)
    {
        byte[] secretKey = key.Bytes("sk"), secret = new byte[kem.SharedSecretSize];
        if (secretKey.Length == McElieceSecretKey.ShortSize)
        {
            byte[] shortKey = secretKey;
            secretKey = new byte[McElieceSecretKey.Size];
            McElieceSecretKey.FromShort(shortKey, secretKey);
        }
        kem.Decapsulate(secretKey, ciphertext, secret);
        return Convert.ToHexString(secret);
    }
}
