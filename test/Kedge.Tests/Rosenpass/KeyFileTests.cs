using System.Text;
using Kedge.Crypto.Kem;
using Kedge.Protocol.Rosenpass;
using Kedge.Tests.Crypto.Kem;

namespace Kedge.Tests.Rosenpass;

/// <summary>Files of keys, with the published key pairs of both layouts.</summary>
public class KeyFileTests
{
    // Round 2 and 3 publish the secret key in the short layout, round 4 in the long one.
    [Theory]
    [InlineData("mceliece460896")]
    [InlineData("mceliece460896pc")]
    public void A_published_key_pair_is_read_and_found_to_be_one(string mechanism)
    {
        byte[] publicKey = PublishedKeys.PublicKey(mechanism, 0);
        using StaticKeyPair pair = Read(publicKey, PublishedKeys.SecretKey(mechanism, 0));
        using StaticKeyPair mixed = Read(publicKey, PublishedKeys.SecretKey(mechanism, 1));
        Assert.True(RosenpassKeyFile.IsPair(pair));
        Assert.False(RosenpassKeyFile.IsPair(mixed));
    }

    [Fact]
    public void A_key_pair_survives_the_short_layout()
    {
        IKem kem = Kems.McEliece460896;
        byte[] publicKey = new byte[kem.PublicKeySize], secretKey = new byte[kem.SecretKeySize], contents = new byte[13568];
        kem.GenerateKeyPair(publicKey, secretKey);
        McElieceSecretKey.ToShort(secretKey, contents);
        using StaticKeyPair pair = Read(publicKey, contents);
        Assert.True(RosenpassKeyFile.IsPair(pair));
    }

    [Fact]
    public void What_has_another_size_is_refused_with_the_size_it_should_have()
    {
        Assert.False(RosenpassKeyFile.TryReadPublicKey(new byte[524161], out _, out string reason));
        Assert.Equal("it has 524161 bytes, and a public key has 524160", reason);
        Assert.False(RosenpassKeyFile.TryReadSecretKey(new byte[13569], new byte[McElieceSecretKey.Size], out reason));
        Assert.Equal("it has 13569 bytes, and a secret key has 13568 or 13608", reason);
    }

    [Theory]
    [InlineData("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", true)]
    [InlineData("\n AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r\n", true)]
    [InlineData("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", false)]
    [InlineData("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", false)]
    [InlineData("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8f", false)]
    [InlineData("AAECAwQFBgcICQoLDA0O*xAREhMUFRYXGBkaGxwdHh8=", false)]
    [InlineData("", false)]
    public void A_preshared_key_is_32_bytes_in_base64(string text, bool isOne)
    {
        byte[] key = [.. Enumerable.Repeat((byte)7, 32)];
        Assert.Equal(isOne, RosenpassKeyFile.TryReadPresharedKey(Encoding.ASCII.GetBytes(text), key, out string reason));
        Assert.Equal(isOne ? "" : "it is not 32 bytes in base64, 44 characters", reason);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => (byte)(isOne ? i : 0)), key);
    }

    [Fact]
    public void An_output_key_is_written_without_a_newline()
    {
        byte[] contents = new byte[RosenpassKeyFile.Base64Size];
        RosenpassKeyFile.WriteOutputKey([.. Enumerable.Range(0, 32).Select(i => (byte)i)], contents);
        Assert.Equal("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", Encoding.ASCII.GetString(contents));
    }

    private static StaticKeyPair Read(byte[] publicKey, byte[] secretKey)
    {
        byte[] read = new byte[McElieceSecretKey.Size];
        Assert.True(RosenpassKeyFile.TryReadPublicKey(publicKey, out StaticPublicKey? key, out _));
        Assert.True(RosenpassKeyFile.TryReadSecretKey(secretKey, read, out _));
        return new StaticKeyPair(key, read);
    }
}
