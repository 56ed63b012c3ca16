using Kedge.Protocol.Ip;
using Kedge.Protocol.Toml;
using WireGuardKey = Kedge.Protocol.WireGuard.PublicKey;

namespace Kedge.Protocol.Rosenpass;

/// <summary>A configuration file of <c>rosenpass</c>: what it says, and the defaults of the rest. Paths are as written.</summary>
public sealed record RosenpassConfiguration
{
    /// <summary>The path of the own public key; null where key pairs come from elsewhere.</summary>
    public string? PublicKey { get; init; }

    /// <summary>The path of the own secret key; null exactly where <see cref="PublicKey"/> is.</summary>
    public string? SecretKey { get; init; }

    /// <summary>Where to listen; empty for any address and a port of the system's choice.</summary>
    public IReadOnlyList<EndpointName> Listen { get; init; } = [];

    /// <summary>Whether to say more than errors and keys.</summary>
    public bool IsVerbose { get; init; }

    /// <summary>The peers.</summary>
    public IReadOnlyList<RosenpassPeerConfiguration> Peers { get; init; } = [];

    /// <summary>Reads a file. All errors are found at once, in the order of their lines.</summary>
    /// <returns>The configuration; null where there are errors.</returns>
    public static RosenpassConfiguration? Parse(string text, out IReadOnlyList<TomlError> errors)
    {
        var found = new List<TomlError>();
        TomlTable document = TomlReader.Read(text, found);
        RosenpassConfiguration configuration = new RosenpassConfigurationReader(found).Read(document);
        errors = [.. found.OrderBy(error => error.Line)];
        return found.Count == 0 ? configuration : null;
    }
}

/// <summary>One of <c>[[peers]]</c>.</summary>
public sealed record RosenpassPeerConfiguration
{
    /// <summary>The path of the peer's public key.</summary>
    public required string PublicKey { get; init; }

    /// <summary>The peer's host name or address, and port; null when it has to come to us.</summary>
    public EndpointName? Endpoint { get; init; }

    /// <summary>The path of the pre-shared key; null for none.</summary>
    public string? PreSharedKey { get; init; }

    /// <summary>The path that the output key is written to; null for none.</summary>
    public string? KeyOut { get; init; }

    /// <summary>The WireGuard peer whose PSK the output key becomes; null for none.</summary>
    public WireGuardOutput? WireGuard { get; init; }

    /// <summary>The program to be run after each exchange, and its arguments; empty for none.</summary>
    public IReadOnlyList<string> ExchangeCommand { get; init; } = [];

    /// <summary>What <c>protocol_version</c> says: <c>V02</c> or <c>V03</c>; null for the released versions, 0.2.x.</summary>
    public string? ProtocolVersion { get; init; }

    /// <summary>What the output key is for, as in <see cref="RosenpassPeerSettings.OutputKeyLabels"/>.</summary>
    public IReadOnlyList<string> OutputKeyLabels { get; init; } = [];

    /// <summary>Reads what <see cref="ProtocolVersion"/> may be.</summary>
    /// <exception cref="FormatException">It is neither V02 nor V03.</exception>
    public static string ParseProtocolVersion(string text) => text is "V02" or "V03"
        ? text
        : throw new FormatException($"'{text}' is not V02 or V03; leave it out for releases 0.2.x.");
}

/// <summary>A peer of a WireGuard interface.</summary>
/// <param name="Device">The interface.</param>
/// <param name="Peer">The peer's public key.</param>
/// <param name="ExtraParams">More arguments of <c>wg set DEVICE peer PEER</c>.</param>
public sealed record WireGuardOutput(string Device, WireGuardKey Peer, IReadOnlyList<string> ExtraParams);
