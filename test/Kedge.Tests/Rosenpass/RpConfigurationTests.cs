using Kedge.Protocol.Rosenpass;
using Kedge.Protocol.Toml;

namespace Kedge.Tests.Rosenpass;

/// <summary>Configuration files of <c>rp</c>.</summary>
public class RpConfigurationTests
{
    [Fact]
    public void A_file_is_read()
    {
        RpConfiguration configuration = RpConfiguration.Parse(
            """
            verbose = true
            private_keys_dir = "/etc/rosenpass/secret"
            dev = "rp0"
            ip = "10.1.0.1/24, fd00::1"
            listen = "[::]:9999"

            [[peers]]
            public_keys_dir = "/etc/rosenpass/peer"
            endpoint = "192.0.2.1:9998"
            persistent_keepalive = 25
            allowed_ips = "10.1.0.0/24, fd00::2"
            protocol_version = "V02"

            [[peers]]
            public_keys_dir = "/etc/rosenpass/other"
            """,
            out IReadOnlyList<TomlError> errors)!;

        Assert.Empty(errors);
        Assert.Equal(("/etc/rosenpass/secret", "rp0", true), (configuration.SecretKeys, configuration.Device, configuration.IsVerbose));
        Assert.Equal("[::]:9999", $"{configuration.Listen}");
        Assert.Equal([("10.1.0.1", 24), ("fd00::1", 128)], configuration.Addresses.Select(one => ($"{one.Address}", one.PrefixLength)));
        Assert.Equal(2, configuration.Peers.Count);
        RpPeerConfiguration peer = configuration.Peers[0];
        Assert.Equal(("/etc/rosenpass/peer", "192.0.2.1:9998"), (peer.PublicKeys, $"{peer.Endpoint}"));
        Assert.Equal((25, "V02"), (peer.PersistentKeepalive, peer.ProtocolVersion));
        Assert.Equal(["10.1.0.0/24", "fd00::2/128"], peer.AllowedIps.Select(prefix => $"{prefix}"));
        Assert.Null(configuration.Peers[1].Endpoint);
        Assert.Empty(configuration.Peers[1].AllowedIps);
    }

    [Fact]
    public void Without_more_than_the_keys_the_defaults_hold()
    {
        RpConfiguration configuration = RpConfiguration.Parse("private_keys_dir = 'secret'", out _)!;
        Assert.Equal(("rosenpass0", false), (configuration.Device, configuration.IsVerbose));
        Assert.Empty(configuration.Addresses);
        Assert.Null(configuration.Listen);
    }

    [Fact]
    public void All_errors_are_told_at_once_each_with_its_line_and_key()
    {
        Assert.Null(RpConfiguration.Parse(
            """
            verbose = "yes"
            ip = "10.1.0.1/33"
            listen = "localhost:9999"
            secret_key = "sk"
            [[peers]]
            endpoint = "server.example"
            persistent_keepalive = 65536
            allowed_ips = "10.1.0.0/24,everything"
            protocol_version = "V04"
            public_key = "pk"
            """,
            out IReadOnlyList<TomlError> errors));
        Assert.Equal(
            [
                (1, "private_keys_dir"), (1, "verbose"), (2, "ip"), (3, "listen"), (4, "secret_key"), (5, "peers.public_keys_dir"),
                (6, "peers.endpoint"), (7, "peers.persistent_keepalive"), (8, "peers.allowed_ips"), (9, "peers.protocol_version"),
                (10, "peers.public_key"),
            ],
            errors.Select(error => (error.Line, error.Key)));
        Assert.Equal("line 1: verbose: must be true or false.", $"{errors[1]}");
        Assert.Equal("line 7: peers.persistent_keepalive: must be a number from 0 to 65535.", $"{errors[7]}");
    }
}
