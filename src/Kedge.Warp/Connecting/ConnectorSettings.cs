using Kedge.Warp.Identity;

namespace Kedge.Warp.Connecting;

/// <summary>What a connector is told.</summary>
public sealed record ConnectorSettings
{
    /// <summary>The listener's name or address.</summary>
    public required string Host { get; init; }

    /// <summary>The listener's UDP port.</summary>
    public required ushort Port { get; init; }

    /// <summary>The name that the listener's certificate must be for.</summary>
    public required string ServerName { get; init; }

    /// <summary>Its certificate, and whom it believes.</summary>
    public required WarpIdentityFiles Identity { get; init; }

    /// <summary>To which targets it lets itself be sent.</summary>
    public required TargetRules Targets { get; init; }
}
