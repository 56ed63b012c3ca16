using Kedge.Protocol.Rosenpass;

namespace Kedge.Tests.Rosenpass;

/// <summary>The keyed hashes and the tree of domains, against the values that the protocol's other implementations have.</summary>
public class HashTests
{
    [Theory]
    [InlineData(KeyedHash.Blake2b, "0598878d976a9308dc5f26421d210368fa7283771b383b2c0b43e67170145067")]
    [InlineData(KeyedHash.Shake256, "ae042fbc01e4b3f6432bff5e9b0bbba1266ed917043eac1edabbf950ab1591ee")]
    public void A_keyed_hash_gives_its_known_answer(KeyedHash hash, string expected)
    {
        Span<byte> key = stackalloc byte[32], data = stackalloc byte[32];
        key.Clear();
        data.Fill(0xFF);
        hash.Compute(key, data, data);
        Assert.Equal(expected, Convert.ToHexStringLower(data));
    }

    [Fact]
    public void The_domains_of_BLAKE2b_are_those_of_V02()
    {
        HashDomains domains = HashDomains.Of(KeyedHash.Blake2b);
        AssertHex("8779e72b17ae66d7e46d93dc16c3b3c4491e54e1c79b0d8bebb8f2817f297e4b", domains.Mac);
        AssertHex("9ff6e4c014424fc123ef6477229c8b761edf65d0d7392cdf85cba84dc1f2cfa7", domains.PeerId);
        AssertHex("4876a3c65dd5d0724438b945c6e6d343e0ee02f573cc774a09045d655a85302a", domains.BiscuitAdditionalData);
        AssertHex("abea67e8d16035b6495cda4786bff0d0dad936ded93c54c8b533652ad98a6946", domains.ChainingKeyInit);
        AssertHex("41d20e68ac3b0eba4e4d8b3a1a01fe18404d9d30c61ae3ba6739053af8d6049f", domains.Mix);
        AssertHex("1db8ec314788a2f1a70d5a8cae3dbbedb21f682426fdbab810c1adefe6a93375", domains.HandshakeEncryption);
        AssertHex("d34bb2a7858ed51ac7e824e9f1dc55868eed7cc2bee879e260aee150cd8784b3", domains.InitiatorHandshakeEncryption);
        AssertHex("c9181f95721584d0018142cb8b6d2791333913b8df77302a2b794de7bee95c6b", domains.ResponderHandshakeEncryption);
        AssertHex("0cf2591fd46ab229d5df5a72688ce75801e8e6b8673755189cc36482a7cac9c0", domains.WireGuardPsk);
    }

    [Fact]
    public void The_domains_of_SHAKE256_are_those_of_V03()
    {
        HashDomains domains = HashDomains.Of(KeyedHash.Shake256);
        AssertHex("28015878ab6cacf337cd0d114885b7b22e137599b7ce5e36f410a3d2bea28739", domains.Mac);
        AssertHex("77ec28597e62b92c938219de5895f5e7af4ff9d00bf4438a9bbc82bb8ee3e659", domains.PeerId);
        AssertHex("bc45c82895ebec27501a21b3ae574ed42be3353957bb30c1997815cb6f1ffd64", domains.BiscuitAdditionalData);
        AssertHex("88607c38efb6adecf321384eb8e52433bc0fd662dcbcd55d629126867d5f5f1d", domains.ChainingKeyInit);
        AssertHex("a5719ddaa848d422a0604a2fca17f31c2f9a799782789f88a9597b8719f0a39b", domains.Mix);
        AssertHex("5062428e3baf12b59f01686e9a754b9bb0568e07709641d3bb03563342685f02", domains.HandshakeEncryption);
        AssertHex("cb5c355236602bbeb8b120369ab3a5aac6b7e50e6be8c347367c94084f8281d2", domains.InitiatorHandshakeEncryption);
        AssertHex("cd853373157eb924236f77bc31a19ccc2c57085b93f2113f2c02671daeb3aa12", domains.ResponderHandshakeEncryption);
        AssertHex("c1ebe9d9c7da6409587dad055da222ac4bffd30ec3c99963e54231f73cdf8ebe", domains.WireGuardPsk);
        AssertHex("b47a6224b8808aca5676bd99eebb677d6fc6c5e98961341f37e6008d5ec38ce6", domains.Cookie);
        AssertHex("3c81f7886cbee1876a19504be2e4602c27ed4745fee055d4712f4b833eb61614", domains.CookieValue);
        AssertHex("9e17d8520f2f9c4a32b2342251507b0aabb38bc2c128163e8079537eaeecb36b", domains.CookieKey);
    }

    private static void AssertHex(string expected, byte[] actual) => Assert.Equal(expected, Convert.ToHexStringLower(actual));
}
