using Kedge.Protocol;

namespace Kedge.Tests;

/// <summary>Hashes and their text.</summary>
public class Sha256DigestTests
{
    // FIPS 180-4's example: SHA-256 of "abc".
    private const string Abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    private const string AbcText = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";

    [Fact]
    public void A_hash_is_its_32_bytes_and_has_one_text()
    {
        Sha256Digest digest = Sha256Digest.Of("abc"u8);
        Assert.Equal(Abc, Convert.ToHexStringLower(digest.ToArray()));
        Assert.Equal(AbcText, digest.ToString());
        Assert.Equal(digest, Sha256Digest.Parse(AbcText));
        Assert.Equal(digest, Sha256Digest.FromBytes(Convert.FromHexString(Abc)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa")] // one short
    [InlineData("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=")] // padded
    [InlineData("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0")] // the other alphabet
    [InlineData("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa1")] // spare bits
    [InlineData("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3 ctBD_YfIAFa0")]
    [InlineData("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3\nctBD_YfIAFa0")]
    [InlineData("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0 ")]
    [InlineData("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFé0")]
    public void Any_other_text_is_refused(string text)
    {
        Assert.False(Sha256Digest.TryParse(text, out Sha256Digest digest));
        Assert.Equal(default, digest);
        Assert.Throws<FormatException>(() => Sha256Digest.Parse(text));
    }

    [Theory]
    [InlineData(31)]
    [InlineData(33)]
    public void Another_length_is_no_hash(int length) => Assert.Throws<ArgumentException>(() => Sha256Digest.FromBytes(new byte[length]));
}
