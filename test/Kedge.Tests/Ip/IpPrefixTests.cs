using Kedge.Protocol.Ip;

namespace Kedge.Tests.Ip;

public class IpPrefixTests
{
    [Theory]
    [InlineData("10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("10.1.2.3/8", "10.0.0.0/8")]
    [InlineData("10.1.2.3", "10.1.2.3/32")]
    [InlineData("255.255.255.255/0", "0.0.0.0/0")]
    [InlineData("255.255.255.255/1", "128.0.0.0/1")]
    [InlineData("255.255.255.255/31", "255.255.255.254/31")]
    [InlineData("fd00::1/64", "fd00::/64")]
    [InlineData("fd00::1", "fd00::1/128")]
    [InlineData("ffff::/0", "::/0")]
    [InlineData("ffff:ffff:ffff:ffff:ffff::/65", "ffff:ffff:ffff:ffff:8000::/65")]
    [InlineData("::ffff:10.1.2.3/104", "::ffff:10.0.0.0/104")]
    public void A_prefix_is_read_and_its_host_bits_cleared(string text, string expected) =>
        Assert.Equal(expected, IpPrefix.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("/8")]
    [InlineData("10.0.0.0/")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/-1")]
    [InlineData("10.0.0.0/+8")]
    [InlineData("10.0.0.0/08")]
    [InlineData("10.0.0.0/8 ")]
    [InlineData("10.0.0.0/ 8")]
    [InlineData("10.0.0.0 /8")]
    [InlineData("10.0.0.0/8\0")]
    [InlineData("10.0.0.0/8/8")]
    [InlineData("10.0.0.0/255.0.0.0")]
    [InlineData("10.0.0.0/4294967304")] // 2^32 + 8
    [InlineData("10.0.0.0/18446744073709551624")] // 2^64 + 8
    [InlineData("10/8")]
    [InlineData("::/129")]
    [InlineData("fe80::%1/64")]
    [InlineData("[::]/0")]
    public void Anything_else_is_refused(string text)
    {
        Assert.False(IpPrefix.TryParse(text, out IpPrefix prefix));
        Assert.True(prefix.IsNone);
        Assert.Contains($"'{text}'", Assert.Throws<FormatException>(() => IpPrefix.Parse(text)).Message);
    }

    [Fact]
    public void A_length_outside_the_family_is_refused()
    {
        IpAddress ipv4 = IpAddress.Parse("10.0.0.0");
        Assert.Throws<ArgumentOutOfRangeException>(() => new IpPrefix(ipv4, 33));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IpPrefix(ipv4, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IpPrefix(IpAddress.Parse("::"), 129));
        Assert.Throws<ArgumentException>(() => new IpPrefix(default, 0));
    }

    [Theory]
    [InlineData("10.0.0.0/8", "10.255.255.255", true)]
    [InlineData("10.0.0.0/8", "11.0.0.0", false)]
    [InlineData("10.0.0.0/8", "9.255.255.255", false)]
    [InlineData("0.0.0.0/0", "255.255.255.255", true)]
    [InlineData("0.0.0.0/0", "::", false)]
    [InlineData("::/0", "0.0.0.0", false)]
    [InlineData("::/0", "ffff::", true)]
    [InlineData("10.1.2.3/32", "10.1.2.3", true)]
    [InlineData("10.1.2.3/32", "10.1.2.2", false)]
    [InlineData("fd00::1/128", "fd00::1", true)]
    [InlineData("fd00::1/128", "fd00::", false)]
    [InlineData("::ffff:0:0/96", "192.0.2.1", false)]
    public void A_block_contains_its_own_addresses_only(string prefix, string address, bool expected) =>
        Assert.Equal(expected, IpPrefix.Parse(prefix).Contains(IpAddress.Parse(address)));

    [Fact]
    public void No_block_contains_nothing()
    {
        IpPrefix none = default;
        Assert.False(none.Contains(default));
        Assert.False(none.Contains(IpAddress.Parse("0.0.0.0")));
        Assert.False(IpPrefix.Parse("0.0.0.0/0").Contains(default));
        Assert.Equal("none", none.ToString());
    }

    [Fact]
    public void Blocks_are_ordered_by_family_address_and_length()
    {
        string[] ordered = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "::/0", "::/128", "fd00::/8"];
        IpPrefix[] prefixes = [.. ordered.Select(text => IpPrefix.Parse(text))];
        new Random(1).Shuffle(prefixes);
        Array.Sort(prefixes, (a, b) => a.CompareTo(b));
        Assert.Equal(ordered, prefixes.Select(prefix => prefix.ToString()));
    }
}
