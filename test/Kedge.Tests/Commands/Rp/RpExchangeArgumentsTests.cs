using Kedge.Commands.Rp;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Tests.Commands.Rp;

/// <summary>The words behind <c>rp exchange</c>.</summary>
public class RpExchangeArgumentsTests
{
    [Fact]
    public void All_words_are_read()
    {
        RpConfiguration configuration = RpExchangeArguments.Parse(
            ("secret dev rp0 ip fd00::1/64 listen [fe80::1%eth0]:9999 "
            + "peer p1 endpoint server.example:9998 persistent-keepalive 25 allowed-ips 10.1.0.0/24,fd00::2 protocol-version V03 "
            + "peer p2").Split(' '));

        Assert.Equal(("secret", "rp0", "[fe80::1%eth0]:9999"), (configuration.SecretKeys, configuration.Device, $"{configuration.Listen}"));
        Assert.Equal([("fd00::1", 64)], configuration.Addresses.Select(one => ($"{one.Address}", one.PrefixLength)));
        Assert.Equal(2, configuration.Peers.Count);
        RpPeerConfiguration first = configuration.Peers[0], second = configuration.Peers[1];
        Assert.Equal(("p1", "server.example:9998"), (first.PublicKeys, $"{first.Endpoint}"));
        Assert.Equal((25, "V03"), (first.PersistentKeepalive, first.ProtocolVersion));
        Assert.Equal(["10.1.0.0/24", "fd00::2/128"], first.AllowedIps.Select(prefix => $"{prefix}"));
        Assert.Equal(("p2", null, 0, null), (second.PublicKeys, second.Endpoint, second.PersistentKeepalive, second.ProtocolVersion));
        Assert.Empty(second.AllowedIps);
    }

    [Fact]
    public void A_folder_alone_is_enough()
    {
        RpConfiguration configuration = RpExchangeArguments.Parse(["secret"]);
        Assert.Equal("rosenpass0", configuration.Device);
        Assert.Empty(configuration.Addresses);
        Assert.Null(configuration.Listen);
        Assert.Empty(configuration.Peers);
    }

    [Theory]
    [InlineData("", "exchange needs FOLDER behind it")]
    [InlineData("a dev a/b", "'a/b' cannot be an interface's name")]
    [InlineData("a ip 10.0.0.1/33", "ip: '10.0.0.1/33' is no address with the length of its network")]
    [InlineData("a listen example:1", "listen: 'example:1' is no address and port")]
    [InlineData("a listen 192.0.2.1:65535", "listen: '192.0.2.1:65535' has no port from 1 to 65534; WireGuard takes the next one")]
    [InlineData("a endpoint b:1", "'endpoint' means nothing here; dev, ip, listen or peer may follow")]
    [InlineData("a peer", "peer needs FOLDER behind it")]
    [InlineData("a peer b dev c", "'dev' means nothing here")]
    [InlineData("a peer b endpoint c:65535", "endpoint: 'c:65535' has no port from 1 to 65534")]
    [InlineData("a peer b persistent-keepalive 65536", "persistent-keepalive: '65536' is no number of seconds from 0 to 65535")]
    [InlineData("a peer b allowed-ips 10.0.0.0/8,c", "allowed-ips: 'c' is no prefix")]
    [InlineData("a peer b protocol-version V01", "protocol-version: 'V01' is not V02 or V03")]
    public void What_makes_no_sense_is_explained(string words, string expected)
    {
        string[] list = words.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        UserError error = Assert.Throws<UserError>(() => RpExchangeArguments.Parse(list));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }
}
