using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

public class Blake2sTests
{
    [Theory]
    // RFC 7693, appendix B.
    [InlineData("616263", "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982")]
    // The known answers that the authors of BLAKE2 publish (https://github.com/BLAKE2/BLAKE2, testvectors/blake2s-kat.txt).
    [InlineData("", "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9")]
    public void The_hash_is_the_published_one(string data, string expected)
    {
        byte[] hash = new byte[Blake2s.HashSize];
        Blake2s.Hash(Convert.FromHexString(data), hash);
        Assert.Equal(expected, Convert.ToHexStringLower(hash));
    }

    [Theory]
    // The same known answers: the key is 00 01 .. 1f.
    [InlineData("", "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49")]
    [InlineData("00", "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1")]
    public void The_mac_of_32_bytes_is_the_published_one(string data, string expected)
    {
        byte[] mac = new byte[32];
        Blake2s.Mac(Bytes.Ascending(32), Convert.FromHexString(data), mac);
        Assert.Equal(expected, Convert.ToHexStringLower(mac));
    }

    // Computed by the reference code of BLAKE2's authors, as Python 3.11 carries it, with key 00 01 02 .. and data 64 65 66 ..:
    // hashlib.blake2s(data, key=key, digest_size=length).hexdigest()
    [Theory]
    [InlineData(1, 0, 16, "01d7f4cea32638032b156c74aec7e87a")]
    [InlineData(16, 64, 16, "1e34f14341c25be347eab3650c3f378b")]
    [InlineData(31, 65, 16, "e4efc04af07ab7de79b8406d6cbaa506")]
    [InlineData(32, 0, 16, "9536f9b267655743dee97b8a670f9f53")]
    [InlineData(32, 1, 16, "de150119dcef4203cdfbb2c3bd55b963")]
    [InlineData(32, 116, 16, "74898d91d37aefbbee968f85850c95f1")]
    [InlineData(32, 148, 16, "0f2f6ddc3d95e02ce1d1744283e4fc15")]
    [InlineData(32, 1000, 16, "1bef6aed95d4fdb6bff33c761d08bbe1")]
    [InlineData(32, 116, 1, "79")]
    [InlineData(32, 116, 20, "677bb919582d39f0029d339dff19e170fddfa999")]
    [InlineData(32, 116, 31, "d455b17595debbaaa6e39b0ae9058c5ce9c97d73b9a811caaf75d690d9913e")]
    [InlineData(32, 116, 32, "e5aaa4a46e4dd0c74302ff719d04581700db2e7a207937699ec0cf6cdf33ba95")]
    public void The_mac_is_that_of_an_independent_calculation(int keyLength, int dataLength, int macLength, string expected)
    {
        byte[] mac = new byte[macLength];
        Blake2s.Mac(Bytes.Ascending(keyLength), Bytes.Ascending(dataLength, first: 100), mac);
        Assert.Equal(expected, Convert.ToHexStringLower(mac));
    }

    /// <summary>
    /// The procedure of RFC 7693, appendix E. Hashes without key that are shorter than 32 bytes, which WireGuard does not use and
    /// <see cref="Blake2s"/> does not offer, are the reference's; every other one is computed by both.
    /// </summary>
    [Fact]
    public void The_self_test_of_rfc_7693_gives_its_grand_hash()
    {
        var results = new List<byte>();
        foreach (int length in (int[])[16, 20, 28, 32])
        {
            foreach (int inputLength in (int[])[0, 3, 64, 65, 255, 1024])
            {
                byte[] input = SelfTestSequence(inputLength), key = SelfTestSequence(length), result = new byte[length];
                byte[] reference = ReferenceBlake2s.Hash([], input, length);
                if (length == Blake2s.HashSize)
                {
                    Blake2s.Hash(input, result);
                    Assert.Equal(reference, result);
                }
                results.AddRange(reference);

                Blake2s.Mac(key, input, result);
                Assert.Equal(ReferenceBlake2s.Hash(key, input, length), result);
                results.AddRange(result);
            }
        }
        byte[] grand = new byte[Blake2s.HashSize];
        Blake2s.Hash(results.ToArray(), grand);
        Assert.Equal("6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe", Convert.ToHexStringLower(grand));
    }

    [Fact]
    public void Every_length_around_the_block_gives_what_the_reference_gives()
    {
        byte[] hash = new byte[Blake2s.HashSize], mac = new byte[Blake2s.MacSize], key = Bytes.Ascending(32);
        for (int length = 0; length <= 260; length++)
        {
            byte[] data = Bytes.Ascending(length, first: 7);
            Blake2s.Hash(data, hash);
            Assert.Equal(ReferenceBlake2s.Hash([], data, hash.Length), hash);
            Blake2s.Mac(key, data, mac);
            Assert.Equal(ReferenceBlake2s.Hash(key, data, mac.Length), mac);
        }
    }

    [Fact]
    public void Two_parts_hash_as_their_concatenation()
    {
        byte[] data = Bytes.Ascending(130), whole = new byte[Blake2s.HashSize], parts = new byte[Blake2s.HashSize];
        Blake2s.Hash(data, whole);
        for (int cut = 0; cut <= data.Length; cut++)
        {
            Blake2s.Hash(data.AsSpan(0, cut), data.AsSpan(cut), parts);
            Assert.Equal(whole, parts);
        }
    }

    [Fact]
    public void A_hash_may_take_the_place_of_its_input()
    {
        byte[] chained = Bytes.Ascending(32), expected = ReferenceBlake2s.Hash([], [.. chained, 1, 2, 3], 32);
        Blake2s.Hash(chained, [1, 2, 3], chained);
        Assert.Equal(expected, chained);
    }

    [Fact]
    public void A_mac_may_take_the_place_of_its_key()
    {
        byte[] key = Bytes.Ascending(32), expected = ReferenceBlake2s.Hash(key, [1, 2, 3], 32);
        Blake2s.Mac(key, [1, 2, 3], key);
        Assert.Equal(expected, key);
    }

    [Theory]
    [InlineData(0, 16)]
    [InlineData(33, 16)]
    [InlineData(32, 0)]
    [InlineData(32, 33)]
    public void A_wrong_length_of_key_or_mac_is_refused(int key, int mac) =>
        Assert.Throws<ArgumentException>(() => Blake2s.Mac(new byte[key], [], new byte[mac]));

    [Theory]
    [InlineData(31)]
    [InlineData(33)]
    public void A_wrong_length_of_hash_is_refused(int hash) => Assert.Throws<ArgumentException>(() => Blake2s.Hash([], new byte[hash]));

    // Appendix E, selftest_seq, with the length as seed, as the procedure has it throughout.
    private static byte[] SelfTestSequence(int length)
    {
        byte[] sequence = new byte[length];
        uint a = unchecked(0xDEAD4BAD * (uint)length), b = 1;
        for (int i = 0; i < length; i++)
        {
            (a, b) = (b, unchecked(a + b));
            sequence[i] = (byte)(b >> 24);
        }
        return sequence;
    }
}
