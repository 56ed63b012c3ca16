using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

public class Blake2bTests
{
    [Theory]
    // The known answers that the authors of BLAKE2 publish (https://github.com/BLAKE2/BLAKE2, testvectors/blake2b-kat.txt): the key is
    // 00 01 .. 3f and the data 00 01 ..
    [InlineData(
        0,
        "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786" +
        "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568")]
    [InlineData(
        255,
        "142709d62e28fcccd0af97fad0f8465b971e82201dc51070faa0372aa43e9248" +
        "4be1c1e73ba10906d5d1853db6a4106e0a7bf9800d373d6dee2d46d62ef2a461")]
    public void The_hash_of_64_bytes_is_the_published_one(int dataLength, string expected)
    {
        byte[] hash = new byte[64];
        Blake2b.Keyed(Bytes.Ascending(64), Bytes.Ascending(dataLength), hash);
        Assert.Equal(expected, Convert.ToHexStringLower(hash));
    }

    // Computed by the reference code of BLAKE2's authors, as Python 3.11 carries it, with key 00 01 02 .. and data 64 65 66 ..:
    // hashlib.blake2b(data, key=key, digest_size=length).hexdigest()
    [Theory]
    [InlineData(1, 0, 32, "52897a9c27e9781839168d22a76145b07a8a7f8cd85c1d3709e5b09468405099")]
    [InlineData(32, 0, 32, "4e51e7a913fc80137da52880fecca175bf81e117d5c68126dc2774033517ea0d")]
    [InlineData(32, 1, 32, "d58d5c102cfc1479623b983651ccd9b1ab4b9965f4c704bdcaeffccff74633af")]
    [InlineData(32, 127, 32, "88795562c577fac208933be7eb9cdd206c4a72a04f7f5de4d30b94ee31df531d")]
    [InlineData(32, 128, 32, "d2098dcb7db5423758fe95780c8b7170deb5afa1a65e4db4437db22f1ff25f02")]
    [InlineData(32, 129, 32, "b490cb675d61a04f6598d6bbf82b7d02d1d1d0c2feb181621ef128648701b70a")]
    [InlineData(64, 128, 32, "c9f84e4a0d706b7524d8aa4872791e9e7a618745b87272aeb4013f6ca0fc8188")]
    [InlineData(32, 1000, 1, "43")]
    [InlineData(32, 1000, 32, "6f6cc085b05c53e71927473524168da398c4e0b56abdcfb9357c99cfaee57d2d")]
    [InlineData(33, 300, 48, "5c8f48d46f16bdddc30ce4f0c5e9ed4ae5e72d84a5b308d21973c8f2ab426a20368878cb0970659ab72527258449be6f")]
    [InlineData(
        64, 1000, 63,
        "6cfe44cb1787a2ca27009be7cc141a9829d603bd6c94bc1957d0263e2b83a0a0" +
        "ae8a632226f55ecabfb8ee39fa596a7a53c4d80d3129b178df798282948fba")]
    public void The_hash_is_that_of_an_independent_calculation(int keyLength, int dataLength, int hashLength, string expected)
    {
        byte[] hash = new byte[hashLength];
        Blake2b.Keyed(Bytes.Ascending(keyLength), Bytes.Ascending(dataLength, first: 100), hash);
        Assert.Equal(expected, Convert.ToHexStringLower(hash));
    }

    // The same calculation with data 00 01 ..
    [Fact]
    public void A_hash_may_take_the_place_of_its_key()
    {
        byte[] key = Bytes.Ascending(32);
        Blake2b.Keyed(key, Bytes.Ascending(255), key);
        Assert.Equal("f60f5c4a575c43db6c93608515866ea998e04b35792f5a92b27aa5880cd6721e", Convert.ToHexStringLower(key));
    }

    [Theory]
    [InlineData(0, 32)]
    [InlineData(65, 32)]
    [InlineData(32, 0)]
    [InlineData(32, 65)]
    public void A_wrong_length_of_key_or_hash_is_refused(int key, int hash) =>
        Assert.Throws<ArgumentException>(() => Blake2b.Keyed(new byte[key], [], new byte[hash]));
}
