using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

/// <summary>
/// The examples that NIST publishes with FIPS 202 (https://csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values):
/// messages of 0 bits, of 24 bits where there is one, and of 1600 bits; of the 512 bytes of output of SHAKE, the first and the last 32.
/// </summary>
public class Sha3Tests
{
    private const string Abc = "616263";
    private static readonly string Long = string.Concat(Enumerable.Repeat("a3", 200));

    [Theory]
    [InlineData("", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a")]
    [InlineData(Abc, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532")]
    [InlineData("long", "79f38adec5c20307a98ef76e8324afbfd46cfd81b22e3973c65fa1bd9de31787")]
    public void The_hash_of_256_bits_is_the_published_one(string message, string expected)
    {
        byte[] hash = new byte[32];
        Sha3.Hash256(Message(message), hash);
        Assert.Equal(expected, Convert.ToHexStringLower(hash));
    }

    [Theory]
    [InlineData(
        "",
        "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a6" +
        "15b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26")]
    [InlineData(
        Abc,
        "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e" +
        "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0")]
    [InlineData(
        "long",
        "e76dfad22084a8b1467fcf2ffa58361bec7628edf5f3fdc0e4805dc48caeeca8" +
        "1b7c13c30adf52a3659584739a2df46be589c51ca1a4a8416df6545a1ce8ba00")]
    public void The_hash_of_512_bits_is_the_published_one_wherever_its_parts_meet(string message, string expected)
    {
        byte[] whole = Message(message), hash = new byte[64];
        for (int cut = 0; cut <= whole.Length; cut++)
        {
            Sha3.Hash512(whole.AsSpan(0, cut), whole.AsSpan(cut), hash);
            Assert.Equal(expected, Convert.ToHexStringLower(hash));
        }
    }

    [Theory]
    [InlineData(
        "", "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
        "43e41b45a653f2a5c4492c1add544512dda2529833462b71a41a45be97290b6f")]
    [InlineData(
        "long", "131ab8d2b594946b9c81333f9bb6e0ce75c3b93104fa3469d3917457385da037",
        "44c9fb359fd56ac0a9a75a743cff6862f17d7259ab075216c0699511643b6439")]
    public void The_output_of_shake128_is_the_published_one(string message, string first, string last)
    {
        byte[] output = new byte[512];
        Sha3.Shake128(Message(message), output);
        AssertEnds(first, last, output);
    }

    [Theory]
    [InlineData(
        "", "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f",
        "ab0bae316339894304e35877b0c28a9b1fd166c796b9cc258a064a8f57e27f2a")]
    [InlineData(
        "long", "cd8a920ed141aa0407a22d59288652e9d9f1a7ee0c1e7c1ca699424da84a904d",
        "6a1a9d7846436e4dca5728b6f760eef0ca92bf0be5615e96959d767197a0beeb")]
    public void The_output_of_shake256_is_the_published_one_wherever_its_parts_meet(string message, string first, string last)
    {
        byte[] whole = Message(message), output = new byte[512];
        for (int cut = 0; cut <= whole.Length; cut++)
        {
            Sha3.Shake256(whole.AsSpan(0, cut / 2), whole.AsSpan(cut / 2, cut - (cut / 2)), whole.AsSpan(cut), output);
            AssertEnds(first, last, output);
        }
    }

    [Fact]
    public void An_output_may_take_the_place_of_its_message_and_a_short_one_begins_a_longer_one()
    {
        byte[] data = Message("long");
        Sha3.Shake256(data, data.AsSpan(0, 32));
        Assert.Equal("cd8a920ed141aa0407a22d59288652e9d9f1a7ee0c1e7c1ca699424da84a904d", Convert.ToHexStringLower(data[..32]));
    }

    [Fact]
    public void A_wrong_length_of_hash_or_output_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Sha3.Hash256([], new byte[31]));
        Assert.Throws<ArgumentException>(() => Sha3.Hash512([], [], new byte[65]));
        Assert.Throws<ArgumentException>(() => Sha3.Shake128([], []));
        Assert.Throws<ArgumentException>(() => Sha3.Shake256([], []));
    }

    private static byte[] Message(string hexadecimal) => Convert.FromHexString(hexadecimal == "long" ? Long : hexadecimal);

    private static void AssertEnds(string first, string last, byte[] output)
    {
        Assert.Equal(first, Convert.ToHexStringLower(output[..32]));
        Assert.Equal(last, Convert.ToHexStringLower(output[^32..]));
    }
}
