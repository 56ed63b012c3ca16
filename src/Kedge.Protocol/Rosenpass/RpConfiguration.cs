using Kedge.Protocol.Ip;
using Kedge.Protocol.Toml;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// What <c>rp exchange</c> is told, by its words or by the file of <c>rp exchange-config</c>: a WireGuard interface and its peers, whose
/// PSKs Rosenpass renews. Rosenpass has the ports that are named here, WireGuard the next ones. Paths are as written.
/// </summary>
public sealed record RpConfiguration
{
    /// <summary>The folder with the own secret keys.</summary>
    public required string SecretKeys { get; init; }

    /// <summary>The interface to make.</summary>
    public string Device { get; init; } = "rosenpass0";

    /// <summary>The interface's addresses, and how many leading bits their networks have; empty where others see to that.</summary>
    public IReadOnlyList<(IpAddress Address, int PrefixLength)> Addresses { get; init; } = [];

    /// <summary>Where Rosenpass receives; null for ports of the system's choice.</summary>
    public EndpointName? Listen { get; init; }

    /// <summary>Whether to say more than errors and keys.</summary>
    public bool IsVerbose { get; init; }

    /// <summary>The peers.</summary>
    public IReadOnlyList<RpPeerConfiguration> Peers { get; init; } = [];

    /// <summary>Reads a file. All errors are found at once, in the order of their lines.</summary>
    /// <returns>The configuration; null where there are errors.</returns>
    public static RpConfiguration? Parse(string text, out IReadOnlyList<TomlError> errors)
    {
        var found = new List<TomlError>();
        TomlTable document = TomlReader.Read(text, found);
        RpConfiguration configuration = new RpConfigurationReader(found).Read(document);
        errors = [.. found.OrderBy(error => error.Line)];
        return found.Count == 0 ? configuration : null;
    }

    /// <summary>Reads addresses of an interface, with commas between them; one without a length is alone in its network.</summary>
    /// <exception cref="FormatException">One is no address.</exception>
    public static IReadOnlyList<(IpAddress Address, int PrefixLength)> ParseAddresses(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. text.Split(',', StringSplitOptions.TrimEntries).Select(ParseAddress)];
    }

    private static (IpAddress Address, int PrefixLength) ParseAddress(string text)
    {
        return IpPrefix.TryParse(text, out IpPrefix network)
            ? (IpAddress.Parse(text.Split('/')[0]), network.Length)
            : throw new FormatException($"'{text}' is no address with the length of its network such as 10.1.0.1/24 or fd00::1/64.");
    }

    /// <summary>Reads where Rosenpass receives.</summary>
    /// <exception cref="FormatException">The text is no address and port, or there is no next port.</exception>
    public static EndpointName ParseListen(string text) => WithNextPort(text, EndpointName.ParseLocal(text));

    /// <summary>Checks that there is a port for WireGuard.</summary>
    internal static EndpointName WithNextPort(string text, EndpointName name) => name.Port is > 0 and < ushort.MaxValue
        ? name
        : throw new FormatException($"'{text}' has no port from 1 to {ushort.MaxValue - 1}; WireGuard takes the next one.");
}

/// <summary>One peer of <see cref="RpConfiguration"/>.</summary>
public sealed record RpPeerConfiguration
{
    /// <summary>The folder with its public keys.</summary>
    public required string PublicKeys { get; init; }

    /// <summary>Where its Rosenpass is; null when it comes to us.</summary>
    public EndpointName? Endpoint { get; init; }

    /// <summary>Seconds between keepalives; 0 for none.</summary>
    public ushort PersistentKeepalive { get; init; }

    /// <summary>The prefixes that are the peer's.</summary>
    public IReadOnlyList<IpPrefix> AllowedIps { get; init; } = [];

    /// <inheritdoc cref="RosenpassPeerConfiguration.ProtocolVersion"/>
    public string? ProtocolVersion { get; init; }

    /// <summary>Reads where a peer's Rosenpass is.</summary>
    /// <exception cref="FormatException">The text is no host and port, or there is no next port.</exception>
    public static EndpointName ParseEndpoint(string text) => RpConfiguration.WithNextPort(text, EndpointName.Parse(text));

    /// <summary>Reads seconds between keepalives.</summary>
    /// <exception cref="FormatException">The text is no number from 0 to 65535.</exception>
    public static ushort ParsePersistentKeepalive(string text) => AddressText.TryParseDecimal(text, ushort.MaxValue, out uint seconds)
        ? (ushort)seconds
        : throw new FormatException($"'{text}' is no number of seconds from 0 to {ushort.MaxValue}; 0 is for no keepalives.");

    /// <summary>Reads prefixes, with commas between them.</summary>
    /// <exception cref="FormatException">One is no prefix.</exception>
    public static IReadOnlyList<IpPrefix> ParseAllowedIps(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return
        [
            .. from part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
               select IpPrefix.TryParse(part, out IpPrefix prefix)
                   ? prefix
                   : throw new FormatException($"'{part}' is no prefix such as 10.1.0.0/24 or fd00::/64."),
        ];
    }
}
