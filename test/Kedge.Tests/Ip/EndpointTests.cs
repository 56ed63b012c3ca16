using Kedge.Protocol.Ip;

namespace Kedge.Tests.Ip;

public class EndpointTests
{
    [Theory]
    [InlineData("192.0.2.1:51820")]
    [InlineData("192.0.2.1:0")]
    [InlineData("192.0.2.1:65535")]
    [InlineData("[2001:db8::1]:51820")]
    [InlineData("[::]:1")]
    [InlineData("[fe80::1%3]:51820")]
    [InlineData("[fe80::1%4294967295]:51820")]
    [InlineData("[::ffff:192.0.2.1]:51820")]
    public void An_endpoint_is_written_as_it_was_read(string text) => Assert.Equal(text, Endpoint.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData(":80")]
    [InlineData("192.0.2.1")]
    [InlineData("192.0.2.1:")]
    [InlineData("192.0.2.1:65536")]
    [InlineData("192.0.2.1:-1")]
    [InlineData("192.0.2.1:080")]
    [InlineData("192.0.2.1:80 ")]
    [InlineData("192.0.2.1: 80")]
    [InlineData("192.0.2.1:80\0")]
    [InlineData(" 192.0.2.1:80")]
    [InlineData("192.0.2.1%3:80")]
    [InlineData("192.0.2.1%0:80")]
    [InlineData("[192.0.2.1]:80")]
    [InlineData("192.1:80")]
    [InlineData("2001:db8::1:51820")]
    [InlineData("[2001:db8::1]")]
    [InlineData("[2001:db8::1]80")]
    [InlineData("[2001:db8::1:80")]
    [InlineData("2001:db8::1]:80")]
    [InlineData("[[2001:db8::1]]:80")]
    [InlineData("[]:80")]
    [InlineData("[fe80::1%]:80")]
    [InlineData("[fe80::1%eth0]:80")]
    [InlineData("[fe80::1%4294967296]:80")]
    [InlineData("[fe80::1%1%1]:80")]
    [InlineData("[fe80::1]%1:80")]
    [InlineData("example.net:80")]
    public void Anything_else_is_refused(string text)
    {
        Assert.False(Endpoint.TryParse(text, out Endpoint endpoint));
        Assert.True(endpoint.IsNone);
        Assert.Contains($"'{text}'", Assert.Throws<FormatException>(() => Endpoint.Parse(text)).Message);
    }

    [Fact]
    public void The_default_is_no_endpoint()
    {
        Assert.True(default(Endpoint).IsNone);
        Assert.Equal("none", default(Endpoint).ToString());
    }

    [Fact]
    public void The_scope_is_part_of_an_endpoint() =>
        Assert.NotEqual(Endpoint.Parse("[fe80::1%3]:80"), Endpoint.Parse("[fe80::1%4]:80"));

    [Theory]
    [InlineData(1)]
    public void A_damaged_endpoint_is_refused_or_read_back_the_same(int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < 20_000; i++)
        {
            var original = new Endpoint(Samples.Address(random), (ushort)random.Next(65536));
            if (original.Address.IsIPv6LinkLocal)
                original = original with { ScopeId = (uint)random.Next() };
            string text = Samples.Damaged(random, original.ToString(), "0123456789af:.[]% /");
            if (Endpoint.TryParse(text, out Endpoint endpoint))
                Assert.Equal(endpoint, Endpoint.Parse(endpoint.ToString()));
            Assert.Equal(original, Endpoint.Parse(original.ToString()));
        }
    }
}
