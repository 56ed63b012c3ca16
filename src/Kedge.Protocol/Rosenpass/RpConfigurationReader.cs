using Kedge.Protocol.Toml;

namespace Kedge.Protocol.Rosenpass;

/// <summary>Checks a document against what <c>rp</c> knows. What is wrong is added to <paramref name="errors"/>.</summary>
internal sealed class RpConfigurationReader(List<TomlError> errors)
{
    /// <summary>Reads the document.</summary>
    public RpConfiguration Read(TomlTable document)
    {
        var top = new TomlKeys(document, "", errors);
        string? secretKeys = top.RequiredText("private_keys_dir", "the folder that 'rp genkey' has made");
        var configuration = new RpConfiguration
        {
            SecretKeys = secretKeys ?? "",
            Addresses = top.ParseText("ip", RpConfiguration.ParseAddresses) ?? [],
            Listen = top.ParseText("listen", RpConfiguration.ParseListen),
            IsVerbose = top.Flag("verbose") ?? false,
        };
        configuration = configuration with
        {
            Device = top.Text("dev") ?? configuration.Device,
            Peers = [.. top.Tables("peers").Select(ReadPeer)],
        };
        top.RefuseOthers();
        return configuration;
    }

    private RpPeerConfiguration ReadPeer(TomlTable table)
    {
        var keys = new TomlKeys(table, "peers.", errors);
        var peer = new RpPeerConfiguration
        {
            PublicKeys = keys.RequiredText("public_keys_dir", "the folder with the peer's public keys, as 'rp pubkey' makes it") ?? "",
            Endpoint = keys.ParseText("endpoint", RpPeerConfiguration.ParseEndpoint),
            PersistentKeepalive = (ushort)(keys.Number("persistent_keepalive", 0, ushort.MaxValue) ?? 0),
            AllowedIps = keys.ParseText("allowed_ips", RpPeerConfiguration.ParseAllowedIps) ?? [],
            ProtocolVersion = keys.ParseText("protocol_version", RosenpassPeerConfiguration.ParseProtocolVersion),
        };
        keys.RefuseOthers();
        return peer;
    }
}
