using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Mesh;

/// <summary>The node that admits peers.</summary>
public sealed record AdmissionContext
{
    /// <summary>The node's zone.</summary>
    public required Guid Zone { get; init; }

    /// <summary>Its WireGuard key: nobody else has it.</summary>
    public required PublicKey WireGuardKey { get; init; }

    /// <summary>The prefixes that are its own: nobody else has an address of them.</summary>
    public IReadOnlyCollection<IpPrefix> Prefixes { get; init; } = [];

    /// <summary>
    /// Addresses that must never be a peer's, because the network below the overlay is reached by them: the controller's, for one.
    /// </summary>
    public IReadOnlyCollection<IpAddress> Underlay { get; init; } = [];

    /// <summary>What other overlays of this machine have: a peer with any of it would draw their traffic.</summary>
    public IReadOnlyCollection<ForeignPrefix> Foreign { get; init; } = [];
}
