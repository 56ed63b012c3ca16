using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

public class X25519Tests
{
    /// <summary>
    /// Every u-coordinate of low order on the curve and its twist: 0, 1, the two of order 8, p-1; and p and p+1, the encodings of 0 and 1
    /// that are not canonical (RFC 7748, section 7, and https://cr.yp.to/ecdh.html#validate). X25519 does not look at the top bit, so each
    /// stands for two keys, and the other values of that list, which have that bit, are not of low order to X25519.
    /// </summary>
    public static TheoryData<string> LowOrder =>
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];

    [Theory]
    [MemberData(nameof(X25519Vector.All), MemberType = typeof(X25519Vector), DisableDiscoveryEnumeration = true)]
    public void The_shared_secret_is_the_published_one_and_never_zero(X25519Vector vector)
    {
        byte[] shared = [.. Enumerable.Repeat((byte)0xff, X25519.KeySize)];
        bool agreed = X25519.TryAgree(vector.PrivateKey, vector.PublicKey, shared);
        Assert.Equal(vector.Shared.AsSpan().ContainsAnyExcept((byte)0), agreed);
        Assert.Equal(vector.Shared, shared);
    }

    [Theory]
    [InlineData(
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")]
    [InlineData(
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")]
    public void The_public_key_is_that_of_rfc_7748_section_6_1(string privateKey, string expected)
    {
        byte[] publicKey = new byte[X25519.KeySize];
        X25519.PublicKey(Convert.FromHexString(privateKey), publicKey);
        Assert.Equal(expected, Convert.ToHexStringLower(publicKey));
    }

    [Theory]
    [InlineData(1, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")]
    [InlineData(1000, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")]
    public void Iteration_gives_what_rfc_7748_section_5_2_says(int iterations, string expected)
    {
        byte[] k = new byte[X25519.KeySize], u = new byte[X25519.KeySize], result = new byte[X25519.KeySize];
        k[0] = u[0] = 9;
        for (int i = 0; i < iterations; i++)
        {
            Assert.True(X25519.TryAgree(k, u, result));
            (k, u, result) = (result, k, u);
        }
        Assert.Equal(expected, Convert.ToHexStringLower(k));
    }

    [Theory]
    [MemberData(nameof(LowOrder))]
    public void A_public_key_of_low_order_is_refused(string publicKey)
    {
        byte[] key = Convert.FromHexString(publicKey), privateKey = new byte[X25519.KeySize], shared = new byte[X25519.KeySize];
        new Random(7).NextBytes(privateKey);
        foreach (byte topBit in (byte[])[0x00, 0x80])
        {
            key[31] |= topBit;
            shared.AsSpan().Fill(0xff);
            Assert.False(X25519.TryAgree(privateKey, key, shared));
            Assert.Equal(new byte[X25519.KeySize], shared);
        }
    }

    [Fact]
    public void A_refusal_does_not_disturb_what_comes_next()
    {
        byte[] privateKey = new byte[X25519.KeySize], publicKey = new byte[X25519.KeySize], shared = new byte[X25519.KeySize];
        privateKey[0] = 8;
        Assert.False(X25519.TryAgree(privateKey, publicKey, shared));
        X25519.PublicKey(privateKey, publicKey);
        Assert.True(X25519.TryAgree(privateKey, publicKey, shared));
    }

    [Fact]
    public void Clamping_sets_the_fixed_bits_and_changes_no_result()
    {
        byte[] key = [.. Enumerable.Repeat((byte)0xff, X25519.KeySize)], clamped = [.. key];
        X25519.Clamp(clamped);
        Assert.Equal("f8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", Convert.ToHexStringLower(clamped));
        byte[] zero = new byte[X25519.KeySize];
        X25519.Clamp(zero);
        Assert.Equal("0000000000000000000000000000000000000000000000000000000000000040", Convert.ToHexStringLower(zero));

        byte[] ofKey = new byte[X25519.KeySize], ofClamped = new byte[X25519.KeySize];
        X25519.PublicKey(key, ofKey);
        X25519.PublicKey(clamped, ofClamped);
        Assert.Equal(ofClamped, ofKey);
    }

    [Theory]
    [InlineData(31, 32, 32)]
    [InlineData(32, 33, 32)]
    [InlineData(32, 32, 0)]
    public void A_wrong_length_is_refused(int privateKey, int publicKey, int shared) =>
        Assert.Throws<ArgumentException>(() => X25519.TryAgree(new byte[privateKey], new byte[publicKey], new byte[shared]));

    [Fact]
    public void A_key_that_is_used_again_agrees_on_the_same()
    {
        byte[] a = Bytes.Random(32, seed: 1), b = Bytes.Random(32, seed: 2);
        using X25519PrivateKey keyOfA = new(a), keyOfB = new(b);
        byte[] publicOfA = new byte[32], publicOfB = new byte[32], once = new byte[32], first = new byte[32], second = new byte[32];
        keyOfA.WritePublicKey(publicOfA);
        keyOfB.WritePublicKey(publicOfB);
        Assert.True(X25519.TryAgree(a, publicOfB, once));

        Assert.True(keyOfA.TryAgree(publicOfB, first));
        Assert.False(keyOfA.TryAgree(new byte[32], second)); // A refusal leaves nothing behind,
        Assert.Equal(new byte[32], second);
        Assert.True(keyOfB.TryAgree(publicOfA, second));

        Assert.Equal(once, first);
        Assert.Equal(once, second);
        keyOfA.Dispose();
        Assert.Throws<ObjectDisposedException>(() => keyOfA.TryAgree(publicOfB, first));
    }
}
