using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;
using WireGuardKey = Kedge.Protocol.WireGuard.PublicKey;

namespace Kedge.Commands.Rosenpass;

/// <summary>
/// The words behind <c>rosenpass exchange</c>, which are a configuration without a file:
/// <code>
/// public-key PATH secret-key PATH [listen ADDRESS:PORT]… [verbose]
///   peer public-key PATH [endpoint HOST:PORT] [preshared-key PATH] [outfile PATH] [protocol-version VERSION]
///     [wireguard DEVICE PEER [EXTRA]…]
///   peer …
/// </code>
/// The word <c>peer</c> always begins another peer; what else stands behind <c>wireguard DEVICE PEER</c> is handed to <c>wg set</c>.
/// </summary>
internal sealed class ExchangeArguments
{
    private readonly WordReader _words;

    private ExchangeArguments(IEnumerable<string> words) => _words = new(words);

    /// <summary>Reads the words.</summary>
    /// <exception cref="UserError">They make no configuration.</exception>
    public static RosenpassConfiguration Parse(IEnumerable<string> words) => new ExchangeArguments(words).Read();

    private RosenpassConfiguration Read()
    {
        var configuration = new RosenpassConfiguration();
        while (_words.TryTake(out string? word))
        {
            configuration = word switch
            {
                "public-key" => configuration with { PublicKey = Once(word, configuration.PublicKey, "PATH") },
                "secret-key" or "private-key" => configuration with { SecretKey = Once(word, configuration.SecretKey, "PATH") },
                "listen" => configuration with
                {
                    Listen = [.. configuration.Listen, _words.Value(word, "ADDRESS:PORT", EndpointName.ParseLocal)],
                },
                "verbose" => configuration with { IsVerbose = true },
                _ => throw new UserError($"'{word}' means nothing here; public-key, secret-key, listen, verbose or peer may follow."),
            };
        }
        if (configuration.PublicKey is null || configuration.SecretKey is null)
        {
            string missing = configuration.PublicKey is null ? "public-key" : "secret-key";
            throw new UserError($"{missing} PATH is missing: name the own keys before the first 'peer'.");
        }
        var peers = new List<RosenpassPeerConfiguration>();
        while (_words.TryTakePeer())
            peers.Add(ReadPeer());
        return configuration with { Peers = peers };
    }

    private RosenpassPeerConfiguration ReadPeer()
    {
        var peer = new RosenpassPeerConfiguration { PublicKey = "" };
        while (_words.TryTake(out string? word))
        {
            peer = word switch
            {
                "public-key" => peer with { PublicKey = Once(word, peer.PublicKey.Length == 0 ? null : peer.PublicKey, "PATH") },
                "endpoint" => peer with { Endpoint = Once(word, peer.Endpoint, "HOST:PORT", EndpointName.Parse) },
                "preshared-key" => peer with { PreSharedKey = Once(word, peer.PreSharedKey, "PATH") },
                "outfile" => peer with { KeyOut = Once(word, peer.KeyOut, "PATH") },
                "protocol-version" => peer with
                {
                    ProtocolVersion = Once(word, peer.ProtocolVersion, "VERSION", RosenpassPeerConfiguration.ParseProtocolVersion),
                },
                "wireguard" => peer with { WireGuard = ReadWireGuard(word) },
                _ => throw new UserError(
                    $"'{word}' means nothing here; public-key, endpoint, preshared-key, outfile, protocol-version, wireguard or another "
                    + "peer may follow."),
            };
        }
        return peer.PublicKey.Length > 0 ? peer : throw new UserError("A peer is without public-key PATH.");
    }

    private WireGuardOutput ReadWireGuard(string word)
    {
        string device = _words.Value(word, "DEVICE"), peer = _words.Value(word, "DEVICE PEER");
        if (!WireGuardKey.TryParse(peer, out WireGuardKey key))
            throw new UserError($"'{peer}' is no public key of WireGuard: 32 bytes in base64, 44 characters.");
        var extra = new List<string>();
        while (_words.TryTake(out string? more))
            extra.Add(more);
        return new WireGuardOutput(device, key, extra);
    }

    private string Once(string word, string? before, string what) => Once(word, before, what, text => text);

    private T Once<T>(string word, T? before, string what, Func<string, T> parse)
        where T : class =>
        before is null ? _words.Value(word, what, parse) : throw new UserError($"{word} was given before, with '{before}'.");
}
