using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;

namespace Kedge.Commands.Rp;

/// <summary>One peer of <c>rp exchange</c>.</summary>
/// <param name="Folder">The folder with its public keys.</param>
internal sealed record RpPeer(string Folder)
{
    /// <summary>Where its Rosenpass is, with WireGuard at the next port; null when it comes to us.</summary>
    public EndpointName? Endpoint { get; init; }

    /// <summary>Seconds between keepalives; null for none.</summary>
    public string? PersistentKeepalive { get; init; }

    /// <summary>The prefixes that are the peer's, separated by commas; null for none.</summary>
    public string? AllowedIps { get; init; }
}

/// <summary>
/// The words behind <c>rp exchange</c>:
/// <code>
/// FOLDER [dev DEVICE] [ip ADDRESS/LENGTH] [listen ADDRESS:PORT]
///   peer FOLDER [endpoint HOST:PORT] [persistent-keepalive SECONDS] [allowed-ips PREFIX,…]
///   peer …
/// </code>
/// </summary>
/// <param name="Folder">The folder with the own secret keys.</param>
internal sealed record RpExchange(string Folder)
{
    /// <summary>The interface to make.</summary>
    public string Device { get; init; } = "rosenpass0";

    /// <summary>The interface's address and prefix length; null where others see to that.</summary>
    public string? Address { get; init; }

    /// <summary>Where Rosenpass receives, with WireGuard at the next port; null for ports of the system's choice.</summary>
    public EndpointName? Listen { get; init; }

    /// <summary>The peers.</summary>
    public IReadOnlyList<RpPeer> Peers { get; init; } = [];

    /// <summary>Reads the words.</summary>
    /// <exception cref="UserError">They make no sense.</exception>
    public static RpExchange Parse(IEnumerable<string> words)
    {
        var rest = new Queue<string>(words);
        var exchange = new RpExchange(Value("exchange", "FOLDER"));
        while (rest.Count > 0 && rest.Peek() != "peer")
        {
            string word = rest.Dequeue();
            exchange = word switch
            {
                "dev" => exchange with { Device = ReadDevice(Value(word, "DEVICE")) },
                "ip" => exchange with { Address = Value(word, "ADDRESS/LENGTH") },
                "listen" => exchange with { Listen = ReadListen(Value(word, "ADDRESS:PORT")) },
                _ => throw new UserError($"'{word}' means nothing here; dev, ip, listen or peer may follow."),
            };
        }
        var peers = new List<RpPeer>();
        while (rest.TryDequeue(out string? peer))
            peers.Add(ReadPeer(new RpPeer(Value(peer, "FOLDER"))));
        return exchange with { Peers = peers };

        RpPeer ReadPeer(RpPeer peer)
        {
            while (rest.Count > 0 && rest.Peek() != "peer")
            {
                string word = rest.Dequeue();
                peer = word switch
                {
                    "endpoint" => peer with { Endpoint = ReadEndpoint(Value(word, "HOST:PORT")) },
                    "persistent-keepalive" => peer with { PersistentKeepalive = Value(word, "SECONDS") },
                    "allowed-ips" => peer with { AllowedIps = Value(word, "PREFIX,...") },
                    _ => throw new UserError(
                        $"'{word}' means nothing here; endpoint, persistent-keepalive, allowed-ips or another peer may follow."),
                };
            }
            return peer;
        }

        string Value(string word, string what) =>
            rest.TryDequeue(out string? value) ? value : throw new UserError($"{word} needs {what} behind it.");
    }

    private static string ReadDevice(string name) => InterfaceName.Error(name) is { } error ? throw new UserError(error) : name;

    private static EndpointName ReadListen(string text) =>
        EndpointName.TryParseLocal(text) is { Port: > 0 and < ushort.MaxValue } endpoint
            ? endpoint
            : throw new UserError($"listen: '{text}' is no address and port such as 192.0.2.1:9999; WireGuard takes the next port.");

    private static EndpointName ReadEndpoint(string text) => EndpointName.TryParse(text) is { Port: < ushort.MaxValue } endpoint
        ? endpoint
        : throw new UserError($"endpoint: '{text}' is no host and port such as server.example:9999; WireGuard is at the next port.");
}
