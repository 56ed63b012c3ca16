using Kedge.Commands.Rosenpass;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Tests.Commands.Rosenpass;

/// <summary>The words behind <c>rosenpass exchange</c>.</summary>
public class ExchangeArgumentsTests
{
    private const string Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    [Fact]
    public void All_words_are_read()
    {
        RosenpassConfiguration configuration = ExchangeArguments.Parse(
            ("public-key pk secret-key sk listen 192.0.2.1:9999 listen [::]:9998 verbose "
            + $"peer public-key p1 endpoint server.example:9999 preshared-key psk outfile out "
            + $"wireguard wg0 {Key} allowed-ips fe80::/64 outfile "
            + "peer outfile out2 public-key p2 protocol-version V03").Split(' '));

        Assert.Equal(("pk", "sk", true), (configuration.PublicKey, configuration.SecretKey, configuration.IsVerbose));
        Assert.Equal(["192.0.2.1:9999", "[::]:9998"], configuration.Listen.Select(endpoint => $"{endpoint}"));
        Assert.Equal(2, configuration.Peers.Count);
        RosenpassPeerConfiguration first = configuration.Peers[0], second = configuration.Peers[1];
        Assert.Equal(("p1", "server.example:9999", "psk", "out"), (first.PublicKey, $"{first.Endpoint}", first.PreSharedKey, first.KeyOut));
        Assert.Equal(("wg0", Key), (first.WireGuard!.Device, $"{first.WireGuard.Peer}"));
        Assert.Equal(["allowed-ips", "fe80::/64", "outfile"], first.WireGuard.ExtraParams);
        Assert.Equal(("p2", null, "out2", null), (second.PublicKey, second.Endpoint, second.KeyOut, second.WireGuard));
        Assert.Equal((null, "V03"), (first.ProtocolVersion, second.ProtocolVersion));
    }

    [Theory]
    [InlineData("", "public-key PATH is missing")]
    [InlineData("public-key", "public-key needs PATH behind it")]
    [InlineData("public-key a public-key b", "public-key was given before, with 'a'")]
    [InlineData("public-key a secret-key b outfile c", "'outfile' means nothing here")]
    [InlineData("public-key a secret-key b listen example:1", "'example:1' is no address and port")]
    [InlineData("public-key a secret-key b peer public-key c endpoint d", "endpoint: 'd' is no host and port")]
    [InlineData("public-key a secret-key b peer", "without public-key")]
    [InlineData("public-key a secret-key b peer public-key c verbose", "'verbose' means nothing here")]
    [InlineData("public-key a secret-key b peer public-key c wireguard wg0", "wireguard needs DEVICE PEER behind it")]
    [InlineData("public-key a secret-key b peer public-key c endpoint d:1 endpoint e:1", "endpoint was given before")]
    public void What_makes_no_sense_is_explained(string words, string expected)
    {
        UserError error = Assert.Throws<UserError>(() => ExchangeArguments.Parse(words.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }
}
