using Kedge.Protocol.Ip;
using Kedge.Warp.Identity;

namespace Kedge.Warp.Listening;

/// <summary>What a listener is told.</summary>
public sealed record ListenerSettings
{
    /// <summary>The UDP port that connectors connect to, where nothing else is said; as in socket-warp.</summary>
    public const int DefaultPort = 11443;

    /// <summary>The TCP port of the API, where nothing else is said; as in socket-warp's README.</summary>
    public const int DefaultApiPort = 8080;

    /// <summary>The address and UDP port that connectors connect to.</summary>
    public required Endpoint Listen { get; init; }

    /// <summary>The address that published ports are opened at, where a call does not say.</summary>
    public required IpAddress PublishAddress { get; init; }

    /// <summary>Its certificate, and whom it lets in.</summary>
    public required WarpIdentityFiles Identity { get; init; }

    /// <summary>The folder that keeps the opened ports and the API's token.</summary>
    public required string StateDirectory { get; init; }
}
