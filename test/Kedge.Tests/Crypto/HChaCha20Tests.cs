using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

public class HChaCha20Tests
{
    // draft-irtf-cfrg-xchacha-03, section 2.2.1.
    private static readonly byte[] Key = Convert.FromHexString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    private static readonly byte[] Nonce = Convert.FromHexString("000000090000004a0000000031415927");
    private static readonly byte[] Subkey = Convert.FromHexString("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc");

    [Fact]
    public void The_subkey_is_the_published_one()
    {
        byte[] subkey = new byte[32];
        HChaCha20.Derive(Key, Nonce, subkey);
        Assert.Equal(Subkey, subkey);
    }

    [Fact]
    public void The_subkey_may_take_the_place_of_the_key()
    {
        byte[] key = [.. Key];
        HChaCha20.Derive(key, Nonce, key);
        Assert.Equal(Subkey, key);
    }

    [Theory]
    [InlineData(31, 16, 32)]
    [InlineData(32, 15, 32)]
    [InlineData(32, 24, 32)]
    [InlineData(32, 16, 33)]
    public void A_wrong_length_is_refused(int key, int nonce, int subkey) =>
        Assert.Throws<ArgumentException>(() => HChaCha20.Derive(new byte[key], new byte[nonce], new byte[subkey]));
}
