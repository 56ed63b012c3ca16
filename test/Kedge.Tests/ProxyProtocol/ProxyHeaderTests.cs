using Kedge.Protocol.Ip;
using Kedge.Protocol.ProxyProtocol;

namespace Kedge.Tests.ProxyProtocol;

public class ProxyHeaderTests
{
    [Fact]
    public void A_connection_over_IPv4_has_its_endpoints()
    {
        ProxyHeader header = Read(ProxyHeaders.TcpOverIPv4);
        Assert.Equal(new ProxyHeader(Endpoint.Parse("192.0.2.1:56324"), Endpoint.Parse("198.51.100.2:443"), 28), header);
    }

    [Fact]
    public void A_connection_over_IPv6_has_its_endpoints()
    {
        ProxyHeader header = Read(ProxyHeaders.TcpOverIPv6);
        Assert.Equal(new ProxyHeader(Endpoint.Parse("[2001:db8::1]:56324"), Endpoint.Parse("[2001:db8::2]:443"), 52), header);
    }

    [Fact]
    public void A_connection_of_the_proxy_itself_has_no_endpoints_whatever_stands_there()
    {
        Assert.Equal(new ProxyHeader(default, default, 16), Read(ProxyHeaders.Local));
        byte[] withAddresses = [.. ProxyHeaders.TcpOverIPv4];
        withAddresses[12] = 0x20;
        Assert.Equal(new ProxyHeader(default, default, 28), Read(withAddresses));
        withAddresses[13] = 0xFF; // the receiver must ignore the family (section 2.2)
        Assert.Equal(new ProxyHeader(default, default, 28), Read(withAddresses));
    }

    [Fact]
    public void A_connection_of_an_unspecified_family_has_no_endpoints() =>
        Assert.Equal(new ProxyHeader(default, default, 19), Read([.. ProxyHeaders.Signature, 0x21, 0x00, 0, 3, 1, 2, 3]));

    [Fact]
    public void What_follows_the_addresses_is_skipped_and_what_follows_the_header_is_not_touched()
    {
        // PP2_TYPE_ALPN (0x01) with "h2".
        byte[] header = [.. ProxyHeaders.TcpOverIPv4, 0x01, 0, 2, (byte)'h', (byte)'2'];
        header[15] += 5;
        Assert.Equal(33, Read([.. header, 22, 3, 1]).Length);
        Assert.Equal(Endpoint.Parse("192.0.2.1:56324"), Read(header).Source);
    }

    [Fact]
    public void Every_beginning_of_a_header_is_incomplete()
    {
        foreach (byte[] header in (byte[][])[ProxyHeaders.Local, ProxyHeaders.TcpOverIPv4, ProxyHeaders.TcpOverIPv6])
        {
            for (int length = 0; length < header.Length; length++)
                Assert.Equal(ProxyHeaderStatus.Incomplete, ProxyHeader.Parse(header.AsSpan(0, length), out _));
        }
    }

    [Fact]
    public void A_wrong_byte_of_the_signature_is_noticed_as_soon_as_it_is_there()
    {
        for (int i = 0; i < ProxyHeaders.Signature.Length; i++)
        {
            byte[] wrong = ProxyHeaders.Signature[..(i + 1)];
            wrong[i] ^= 1;
            Assert.Equal(ProxyHeaderStatus.Invalid, ProxyHeader.Parse(wrong, out _));
        }
    }

    [Theory]
    [InlineData(0x11, 0x11, 12, "version 1")]
    [InlineData(0x31, 0x11, 12, "version 3")]
    [InlineData(0x22, 0x11, 12, "an unknown command")]
    [InlineData(0x21, 0x12, 12, "UDP over IPv4")]
    [InlineData(0x21, 0x22, 36, "UDP over IPv6")]
    [InlineData(0x21, 0x31, 216, "a UNIX stream")]
    [InlineData(0x21, 0x41, 12, "an unknown family")]
    [InlineData(0x21, 0x10, 12, "an unknown protocol")]
    [InlineData(0x21, 0x11, 11, "IPv4 addresses that are cut short")]
    [InlineData(0x21, 0x21, 35, "IPv6 addresses that are cut short")]
    [InlineData(0x21, 0x11, 4081, "longer than the bound")]
    [InlineData(0x20, 0x00, 65535, "longer than the bound")]
    public void A_header_that_cannot_be_used_is_refused_before_its_rest_arrives(byte versionAndCommand, byte family, int length, string what)
    {
        byte[] header = [.. ProxyHeaders.Signature, versionAndCommand, family, (byte)(length >> 8), (byte)length];
        Assert.True(ProxyHeader.Parse(header, out _) == ProxyHeaderStatus.Invalid, what);
    }

    [Fact]
    public void The_longest_header_is_read()
    {
        var header = new byte[ProxyHeader.MaximumLength];
        ProxyHeaders.TcpOverIPv4.CopyTo(header, 0);
        (header[14], header[15]) = (4080 >> 8, 4080 & 0xFF);
        Assert.Equal(ProxyHeader.MaximumLength, Read(header).Length);
    }

    private static ProxyHeader Read(byte[] bytes)
    {
        Assert.Equal(ProxyHeaderStatus.Complete, ProxyHeader.Parse(bytes, out ProxyHeader header));
        return header;
    }
}
