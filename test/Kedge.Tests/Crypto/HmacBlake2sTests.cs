using Kedge.Crypto;

namespace Kedge.Tests.Crypto;

public class HmacBlake2sTests
{
    // Computed by Python 3.11, whose HMAC is its own and whose BLAKE2s is its authors' reference code, with key 00 01 02 .. and data
    // 64 65 66 ..: hmac.new(key, data, hashlib.blake2s).hexdigest()
    [Theory]
    [InlineData(0, 0, "eaf4bb25938f4d20e72656bbbc7a9bf63c0c18537333c35bdb67db1402661acd")]
    [InlineData(32, 1, "8dd0dfc9e99a27bb626697e6fb33a3c22fd46df19aaa2b7cf5a1eaaef8d13f4e")]
    [InlineData(32, 32, "9a6b3d1db24cf1be406e749959a39af5e617fdb3f01e3bc7788820a764c71357")]
    [InlineData(63, 64, "370163a1068ce00ae84ddf17e34868e01359c4e0da0a37ab783c0b2931bbd1f8")]
    [InlineData(64, 63, "a9b9731c46d7751f3a66d65889d00ce4b2b02155f9ff02a86e63d5648dccbde0")]
    [InlineData(65, 65, "4f2316c8912e663ed7f05292d9d55280af12c36185b1bac746fe5e81b3c425c4")]
    [InlineData(200, 300, "bfeade8647025053f1c89422a26feb85a163cfb495788819c31e99c23760d38c")]
    public void The_mac_is_that_of_an_independent_calculation(int keyLength, int dataLength, string expected)
    {
        byte[] key = Bytes.Ascending(keyLength), data = Bytes.Ascending(dataLength, first: 100), mac = new byte[HmacBlake2s.MacSize];
        HmacBlake2s.Compute(key, data, mac);
        Assert.Equal(expected, Convert.ToHexStringLower(mac));

        mac.AsSpan().Clear();
        HmacBlake2s.Compute(key, data.AsSpan(0, dataLength / 3), data.AsSpan(dataLength / 3), mac);
        Assert.Equal(expected, Convert.ToHexStringLower(mac));
    }

    [Fact]
    public void The_mac_may_take_the_place_of_the_key()
    {
        byte[] key = Bytes.Ascending(32);
        HmacBlake2s.Compute(key, Bytes.Ascending(32, first: 100), key);
        Assert.Equal("9a6b3d1db24cf1be406e749959a39af5e617fdb3f01e3bc7788820a764c71357", Convert.ToHexStringLower(key));
    }

    [Theory]
    [InlineData(16)]
    [InlineData(33)]
    public void A_wrong_length_is_refused(int mac) => Assert.Throws<ArgumentException>(() => HmacBlake2s.Compute([], [], new byte[mac]));
}
