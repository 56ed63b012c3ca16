using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;
using Kedge.Protocol.Toml;

namespace Kedge.Tests.Rosenpass;

/// <summary>Configuration files of <c>rosenpass</c> and go-rosenpass.</summary>
public class ConfigurationTests
{
    private const string WireGuardKey = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

    [Fact]
    public void A_file_of_rosenpass_is_read()
    {
        RosenpassConfiguration configuration = Read($$"""
            # the own key
            public_key = "/etc/rosenpass/pk"
            secret_key = '/etc/rosenpass\sk'   # as it is
            listen = [ "192.0.2.1:9999",
                       "[fe80::1%eth0]:9998", # the last comma may stay
            ]
            verbosity = "Verbose"

            [[peers]]
            public_key = "b\u0065e\t"
            endpoint = "server.example:9999"
            pre_shared_key = "psk"
            key_out = "out"
            device = "wg0"
            peer = "{{WireGuardKey}}"
            extra_params = ["persistent-keepalive", "25"]

            [[peers]]
            public_key = "other"
            protocol_version = "V03"
            osk_organization = "example.org"
            osk_label = ["backup", "key"]
            exchange_command = ["logger", "exchanged"]
            """);
        Assert.Equal("/etc/rosenpass/pk", configuration.PublicKey);
        Assert.Equal("/etc/rosenpass\\sk", configuration.SecretKey);
        Assert.Equal([new EndpointName("192.0.2.1", "", 9999), new EndpointName("fe80::1", "eth0", 9998)], configuration.Listen);
        Assert.True(configuration.IsVerbose);
        Assert.Equal(2, configuration.Peers.Count);
        RosenpassPeerConfiguration peer = configuration.Peers[0];
        Assert.Equal(("bee\t", "server.example:9999", "psk", "out"), (peer.PublicKey, $"{peer.Endpoint}", peer.PreSharedKey, peer.KeyOut));
        Assert.Equal(("wg0", WireGuardKey), (peer.WireGuard!.Device, peer.WireGuard.Peer.ToString()));
        Assert.Equal(["persistent-keepalive", "25"], peer.WireGuard.ExtraParams);
        Assert.Null(peer.ProtocolVersion);
        Assert.Empty(peer.OutputKeyLabels);
        peer = configuration.Peers[1];
        Assert.Null(peer.WireGuard);
        Assert.Equal("V03", peer.ProtocolVersion);
        Assert.Equal(["example.org", "backup", "key"], peer.OutputKeyLabels);
        Assert.Equal(["logger", "exchanged"], peer.ExchangeCommand);
    }

    [Fact]
    public void A_file_of_go_rosenpass_has_a_table_for_WireGuard()
    {
        RosenpassConfiguration configuration = Read($$"""
            public_key = "pk"
            secret_key = "sk"
            listen = []
            [[peers]]
            public_key = "peer"
            wireguard = { interface = "wg0", public_key = "{{WireGuardKey}}" }
            """);
        Assert.Equal("wg0", configuration.Peers[0].WireGuard!.Device);
    }

    [Fact]
    public void All_errors_are_told_at_once_each_with_its_line_and_key()
    {
        Assert.Null(RosenpassConfiguration.Parse(
            """
            public_key = "pk"
            listen = ["nowhere", 5]
            verbosity = "Loud"
            colour = "blue"
            what is this
            [[peers]]
            endpoint = "server.example"
            device = "wg0"
            key_out = 3
            protocol_version = "V04"
            [[peers]]
            public_key = "a"
            public_key = "b"
            peer = "short"
            device = "wg0"
            """,
            out IReadOnlyList<TomlError> errors));
        Assert.Equal(
            [
                (1, "secret_key"), (2, "listen"), (2, "listen"), (3, "verbosity"), (4, "colour"), (5, ""), (6, "peers.public_key"),
                (6, "peers.peer"), (7, "peers.endpoint"), (9, "peers.key_out"), (10, "peers.protocol_version"), (13, ""), (14, "peers.peer"),
            ],
            errors.Select(error => (error.Line, error.Key)).OrderBy(error => error.Line).ThenBy(error => error.Key == "peers.peer"));
        Assert.Contains("'server.example' is no host and port such as server.example:9999 or [fe80::1%eth0]:9999.", errors.Select(error => error.Message));
        Assert.Equal("line 3: verbosity: 'Loud' is not Quiet or Verbose.", errors.Single(error => error.Key == "verbosity").ToString());
    }

    [Theory]
    [InlineData("a = \"no end", "has no end")]
    [InlineData("a = 'no end\n'", "has no end")]
    [InlineData("a = \"\"\"x\n\"", "has no end")]
    [InlineData("\"\"\"a\"\"\" = 1", "A key is one line")]
    [InlineData("a = [1 2]", "comma is missing")]
    [InlineData("a = [1,", "value is missing")]
    [InlineData("a = { b = 1", "inline table has no end")]
    [InlineData("a.b.c = 1\na.b = 2", "'a.b' is defined twice")]
    [InlineData("a = 1\na.b = 2", "'a.b' cannot be added to 'a'")]
    [InlineData("a = { b = 1 }\na.c = 2", "'a.c' cannot be added to 'a'")]
    [InlineData("a.b = 1\n[a]", "'a' is defined twice")]
    [InlineData("a = 1\n[a.b]", "'a' is no table")]
    [InlineData("a = { b = 1 }\n[a.c]", "'a' is complete")]
    [InlineData("a. = 1", "key is missing")]
    [InlineData("a 1", "'=' is missing")]
    [InlineData("a = blue", "put into quotes")]
    [InlineData("a = 1 2", "begin a new line")]
    [InlineData("a = \"\\q\"", "means nothing")]
    [InlineData("a = \"\\uD800\"", "hexadecimal digits")]
    [InlineData("[a", "write [a]")]
    [InlineData("[[a]", "write [[a]]")]
    [InlineData("[a]\n[a]", "defined twice")]
    [InlineData("= 1", "key is missing")]
    public void What_is_not_read_is_refused(string text, string expected)
    {
        Assert.Null(RosenpassConfiguration.Parse(text, out IReadOnlyList<TomlError> errors));
        Assert.Contains(errors, error => error.Message.Contains(expected, StringComparison.Ordinal));
    }

    [Fact]
    public void Values_are_nested_only_so_deep()
    {
        Assert.Null(RosenpassConfiguration.Parse($"a = {new string('[', 100_000)}", out IReadOnlyList<TomlError> errors));
        Assert.Contains(errors, error => error.Message.Contains("nested more than 16 deep", StringComparison.Ordinal));
    }

    private static RosenpassConfiguration Read(string text)
    {
        RosenpassConfiguration? configuration = RosenpassConfiguration.Parse(text, out IReadOnlyList<TomlError> errors);
        Assert.Empty(errors);
        return configuration!;
    }
}
