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
        var top = new Keys(this, document, "");
        string? publicKey = top.Text("public_key"), secretKey = top.Text("secret_key");
        if (publicKey is null != secretKey is null)
            Wrong(1, publicKey is null ? "public_key" : "secret_key", "is missing; a key pair needs both public_key and secret_key.");
        if (!document.Entries.ContainsKey("listen"))
            Wrong(1, "listen", "is missing; write listen = [] for any address and port.");
        string? verbosity = top.Text("verbosity");
        if (verbosity is not (null or "Quiet" or "Verbose"))
            Wrong(top.LineOf("verbosity"), "verbosity", $"'{verbosity}' is not Quiet or Verbose.");
        var configuration = new RosenpassConfiguration
        {
            PublicKey = publicKey,
            SecretKey = secretKey,
            Listen = ReadListen(top),
            IsVerbose = verbosity == "Verbose",
            Peers = [.. top.Tables("peers").Select(ReadPeer).OfType<RosenpassPeerConfiguration>()],
        };
        top.RefuseOthers();
        return configuration;
    }

    private List<EndpointName> ReadListen(Keys top)
    {
        List<EndpointName> endpoints = [];
        foreach ((string text, int line) in top.Texts("listen"))
        {
            if (EndpointName.TryParseLocal(text) is { } endpoint)
                endpoints.Add(endpoint);
            else
                Wrong(line, "listen", $"'{text}' is no address and port such as 192.0.2.1:9999, [::]:9999 or [fe80::1%eth0]:9999.");
        }
        return endpoints;
    }

    private RosenpassPeerConfiguration? ReadPeer(TomlTable table)
    {
        var keys = new Keys(this, table, "peers.");
        string? publicKey = keys.Text("public_key");
        if (publicKey is null && !table.Entries.ContainsKey("public_key"))
            Wrong(table.Line, "peers.public_key", "is missing; it is the path of the peer's public key.");
        string? version = keys.Text("protocol_version");
        if (version is not (null or "V02" or "V03"))
            keys.Wrong("protocol_version", $"'{version}' is not V02 or V03; leave it out for releases 0.2.x.");
        EndpointName? endpoint = null;
        if (keys.Text("endpoint") is { } where && (endpoint = EndpointName.TryParse(where)) is null)
            keys.Wrong("endpoint", $"'{where}' is no host and port such as server.example:9999 or [fe80::1%eth0]:9999.");
        var peer = new RosenpassPeerConfiguration
        {
            PublicKey = publicKey ?? "",
            Endpoint = endpoint,
            PreSharedKey = keys.Text("pre_shared_key"),
            KeyOut = keys.Text("key_out"),
            WireGuard = ReadWireGuard(keys),
            ExchangeCommand = [.. keys.Texts("exchange_command").Select(item => item.Text)],
            ProtocolVersion = version,
            OutputKeyLabels = ReadOutputKeyLabels(keys),
        };
        keys.RefuseOthers();
        return publicKey is null ? null : peer;
    }

    /// <summary>Either three keys of the peer, as in <c>rosenpass</c>, or a table, as in go-rosenpass.</summary>
    private WireGuardOutput? ReadWireGuard(Keys peer)
    {
        if (peer.Table("wireguard") is { } inline)
        {
            var keys = new Keys(this, inline, "peers.wireguard.");
            WireGuardOutput? output = ReadWireGuard(keys, "interface", "public_key");
            keys.RefuseOthers();
            return output;
        }
        return ReadWireGuard(peer, "device", "peer");
    }

    private static WireGuardOutput? ReadWireGuard(Keys keys, string deviceKey, string peerKey)
    {
        string? device = keys.Text(deviceKey), key = keys.Text(peerKey);
        string[] extra = [.. keys.Texts("extra_params").Select(item => item.Text)];
        if (device is null && key is null && extra.Length == 0)
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

    private static string[] ReadOutputKeyLabels(Keys keys)
    {
        string? organization = keys.Text("osk_organization");
        string[] labels = [.. keys.Texts("osk_label").Select(item => item.Text)];
        if (organization is not null == labels.Length > 0)
            return organization is null ? [] : [organization, .. labels];
        keys.Wrong(
            organization is null ? "osk_organization" : "osk_label",
            "is missing; a purpose of one's own needs osk_organization and osk_label.");
        return [];
    }

    private void Wrong(int line, string key, string message) => errors.Add(new TomlError(line, key, message));

    /// <summary>The entries of one table, and which of them were asked for.</summary>
    private sealed class Keys(RosenpassConfigurationReader reader, TomlTable table, string prefix)
    {
        private readonly HashSet<string> _known = [];

        public int LineOf(string key) => table.Entries.TryGetValue(key, out TomlValue? value) ? value.Line : table.Line;

        public void Wrong(string key, string message) => reader.Wrong(LineOf(key), prefix + key, message);

        public string? Text(string key) => Find<string>(key, "text, in quotes");

        public TomlTable? Table(string key) => Find<TomlTable>(key, "a table");

        public List<(string Text, int Line)> Texts(string key)
        {
            List<(string, int)> texts = [];
            foreach (TomlValue item in Find<List<TomlValue>>(key, "an array of texts") ?? [])
            {
                if (item.Value is string text)
                    texts.Add((text, item.Line));
                else
                    reader.Wrong(item.Line, prefix + key, "has an item that is no text; put it into quotes.");
            }
            return texts;
        }

        public List<TomlTable> Tables(string key)
        {
            List<TomlTable> tables = [];
            foreach (TomlValue item in Find<List<TomlValue>>(key, $"given as [[{key}]]") ?? [])
            {
                if (item.Value is TomlTable found)
                    tables.Add(found);
                else
                    reader.Wrong(item.Line, prefix + key, "has an item that is no table.");
            }
            return tables;
        }

        public void RefuseOthers()
        {
            foreach (string key in table.Entries.Keys.Where(key => !_known.Contains(key)))
                Wrong(key, $"is unknown; known are {string.Join(", ", _known.Order())}.");
        }

        private T? Find<T>(string key, string kind)
            where T : class
        {
            _known.Add(key);
            if (!table.Entries.TryGetValue(key, out TomlValue? value))
                return null;
            if (value.Value is T found)
                return found;
            Wrong(key, $"must be {kind}.");
            return null;
        }
    }
}
