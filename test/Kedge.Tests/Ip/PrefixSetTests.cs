using Kedge.Protocol.Ip;

namespace Kedge.Tests.Ip;

public class PrefixSetTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("10.1.0.0/16 10.0.0.0/8 10.1.2.0/24 10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("10.0.1.0/24 10.0.0.0/24", "10.0.0.0/23")]
    [InlineData("10.0.2.0/24 10.0.1.0/24", "10.0.1.0/24 10.0.2.0/24")]
    [InlineData("10.0.0.0/24 10.0.1.0/25 10.0.1.128/25 10.0.2.0/23", "10.0.0.0/22")]
    [InlineData("0.0.0.0/1 128.0.0.0/1", "0.0.0.0/0")]
    [InlineData("::/1 128.0.0.0/1 8000::/1", "128.0.0.0/1 ::/0")]
    [InlineData("fd00::1/128 fd00::/128 10.0.0.1/32", "10.0.0.1/32 fd00::/127")]
    public void A_set_is_held_by_the_fewest_prefixes(string prefixes, string expected) => Assert.Equal(
        expected,
        string.Join(' ', PrefixSet.Minimize(prefixes.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => IpPrefix.Parse(text)))));

    [Fact]
    public void Minimized_prefixes_hold_the_same_addresses()
    {
        var random = new Random(7);
        for (int round = 0; round < 200; round++)
        {
            IpPrefix[] prefixes = [.. Enumerable.Range(0, random.Next(12)).Select(_ => new IpPrefix(IpAddress.IPv4((uint)random.Next(256)), random.Next(24, 33)))];
            IReadOnlyList<IpPrefix> minimal = PrefixSet.Minimize(prefixes);
            for (uint address = 0; address < 256; address++)
                Assert.Equal(prefixes.Any(prefix => prefix.Contains(IpAddress.IPv4(address))) ? 1 : 0, minimal.Count(prefix => prefix.Contains(IpAddress.IPv4(address))));
        }
    }
}
