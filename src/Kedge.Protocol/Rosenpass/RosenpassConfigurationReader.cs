using Kedge.Protocol.Ip;
using Kedge.Protocol.Toml;
using WireGuardKey = Kedge.Protocol.WireGuard.PublicKey;

namespace Kedge.Protocol.Rosenpass;

/// <summary>Checks a document against what <c>rosenpass</c> knows. What is wrong is added to <paramref name="errors"/>.</summary>
internal sealed class RosenpassConfigurationReader(List<TomlError> errors)
{
    /// <summary>Reads the document.</summary>
    public RosenpassConfiguration Read(TomlTable document)
    {
        var top = new TomlKeys(document, "", errors);
        string? publicKey = top.Text("public_key"), secretKey = top.Text("secret_key");
        if (publicKey is null != secretKey is null)
            top.Wrong(publicKey is null ? "public_key" : "secret_key", "is missing; a key pair needs both public_key and secret_key.");
        if (!top.Has("listen"))
            top.Wrong("listen", "is missing; write listen = [] for any address and port.");
        string? verbosity = top.Text("verbosity");
        if (verbosity is not (null or "Quiet" or "Verbose"))
            top.Wrong("verbosity", $"'{verbosity}' is not Quiet or Verbose.");
        var configuration = new RosenpassConfiguration
        {
            PublicKey = publicKey,
            SecretKey = secretKey,
            Listen = top.ParseTexts("listen", EndpointName.ParseLocal),
            IsVerbose = verbosity == "Verbose",
            Peers = [.. top.Tables("peers").Select(ReadPeer).OfType<RosenpassPeerConfiguration>()],
        };
        top.RefuseOthers();
        return configuration;
    }

    private RosenpassPeerConfiguration? ReadPeer(TomlTable table)
    {
        var keys = new TomlKeys(table, "peers.", errors);
        string? publicKey = keys.RequiredText("public_key", "the path of the peer's public key");
        var peer = new RosenpassPeerConfiguration
        {
            PublicKey = publicKey ?? "",
            Endpoint = keys.ParseText("endpoint", EndpointName.Parse),
            PreSharedKey = keys.Text("pre_shared_key"),
            KeyOut = keys.Text("key_out"),
            WireGuard = ReadWireGuard(keys),
            ExchangeCommand = keys.Texts("exchange_command"),
            ProtocolVersion = keys.ParseText("protocol_version", RosenpassPeerConfiguration.ParseProtocolVersion),
            OutputKeyLabels = ReadOutputKeyLabels(keys),
        };
        keys.RefuseOthers();
        return publicKey is null ? null : peer;
    }

    /// <summary>Either three keys of the peer, as in <c>rosenpass</c>, or a table, as in go-rosenpass.</summary>
    private WireGuardOutput? ReadWireGuard(TomlKeys peer)
    {
        if (peer.Table("wireguard") is { } inline)
        {
            var keys = new TomlKeys(inline, "peers.wireguard.", errors);
            WireGuardOutput? output = ReadWireGuard(keys, "interface", "public_key");
            keys.RefuseOthers();
            return output;
        }
        return ReadWireGuard(peer, "device", "peer");
    }

    private static WireGuardOutput? ReadWireGuard(TomlKeys keys, string deviceKey, string peerKey)
    {
        string? device = keys.Text(deviceKey), key = keys.Text(peerKey);
        List<string> extra = keys.Texts("extra_params");
        if (device is null && key is null && extra.Count == 0)
            return null;
        if (device is null || key is null)
        {
            keys.Wrong(device is null ? deviceKey : peerKey, $"is missing; an output to WireGuard needs both {deviceKey} and {peerKey}.");
            return null;
        }
        if (WireGuardKey.TryParse(key, out WireGuardKey publicKey))
            return new WireGuardOutput(device, publicKey, extra);
        keys.Wrong(peerKey, $"'{key}' is no public key of WireGuard: 32 bytes in base64, 44 characters.");
        return null;
    }

    private static string[] ReadOutputKeyLabels(TomlKeys keys)
    {
        string? organization = keys.Text("osk_organization");
        List<string> labels = keys.Texts("osk_label");
        if (organization is not null == labels.Count > 0)
            return organization is null ? [] : [organization, .. labels];
        keys.Wrong(
            organization is null ? "osk_organization" : "osk_label",
            "is missing; a purpose of one's own needs osk_organization and osk_label.");
        return [];
    }
}
