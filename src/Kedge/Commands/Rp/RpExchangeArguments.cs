using Kedge.Commands.Rosenpass;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Commands.Rp;

/// <summary>
/// The words behind <c>rp exchange</c>, which are a configuration without a file:
/// <code>
/// FOLDER [dev DEVICE] [ip ADDRESS/LENGTH,…] [listen ADDRESS:PORT]
///   peer FOLDER [endpoint HOST:PORT] [persistent-keepalive SECONDS] [allowed-ips PREFIX,…] [protocol-version VERSION]
///   peer …
/// </code>
/// </summary>
internal static class RpExchangeArguments
{
    /// <summary>Reads the words.</summary>
    /// <exception cref="UserError">They make no configuration.</exception>
    public static RpConfiguration Parse(IEnumerable<string> list)
    {
        var words = new WordReader(list);
        var configuration = new RpConfiguration { SecretKeys = words.Value("exchange", "FOLDER") };
        while (words.TryTake(out string? word))
        {
            configuration = word switch
            {
                "dev" => configuration with { Device = CheckDevice(words.Value(word, "DEVICE")) },
                "ip" => configuration with { Addresses = words.Value(word, "ADDRESS/LENGTH,...", RpConfiguration.ParseAddresses) },
                "listen" => configuration with { Listen = words.Value(word, "ADDRESS:PORT", RpConfiguration.ParseListen) },
                _ => throw new UserError($"'{word}' means nothing here; dev, ip, listen or peer may follow."),
            };
        }
        var peers = new List<RpPeerConfiguration>();
        while (words.TryTakePeer())
            peers.Add(ReadPeer(words));
        return configuration with { Peers = peers };
    }

    /// <summary>Checks that an interface can have a name.</summary>
    /// <exception cref="UserError">It cannot.</exception>
    public static string CheckDevice(string name) => InterfaceName.Error(name) is { } error ? throw new UserError(error) : name;

    private static RpPeerConfiguration ReadPeer(WordReader words)
    {
        var peer = new RpPeerConfiguration { PublicKeys = words.Value("peer", "FOLDER") };
        while (words.TryTake(out string? word))
        {
            peer = word switch
            {
                "endpoint" => peer with { Endpoint = words.Value(word, "HOST:PORT", RpPeerConfiguration.ParseEndpoint) },
                "persistent-keepalive" => peer with
                {
                    PersistentKeepalive = words.Value(word, "SECONDS", RpPeerConfiguration.ParsePersistentKeepalive),
                },
                "allowed-ips" => peer with { AllowedIps = words.Value(word, "PREFIX,...", RpPeerConfiguration.ParseAllowedIps) },
                "protocol-version" => peer with
                {
                    ProtocolVersion = words.Value(word, "VERSION", RosenpassPeerConfiguration.ParseProtocolVersion),
                },
                _ => throw new UserError(
                    $"'{word}' means nothing here; endpoint, persistent-keepalive, allowed-ips, protocol-version or another peer may "
                    + "follow."),
            };
        }
        return peer;
    }
}
