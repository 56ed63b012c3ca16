using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Discovery;

/// <summary>What a node takes part in the discovery with.</summary>
public sealed record DiscoverySettings
{
    /// <summary>The node's own certificate, which has an identity key.</summary>
    public required NodeCertificate Certificate { get; init; }

    /// <summary>Signs with that key.</summary>
    public required IdentitySigner Sign { get; init; }

    /// <summary>Whom the network believes.</summary>
    public required NetworkTrust Trust { get; init; }

    /// <summary>Bytes that nobody can predict.</summary>
    public required RandomBytes Random { get; init; }

    /// <summary>Says what may be believed of others.</summary>
    public MemberChecks Checks { get; init; } = new();

    /// <summary>Whether the node passes on datagrams for others.</summary>
    public bool Relays { get; init; }
}
