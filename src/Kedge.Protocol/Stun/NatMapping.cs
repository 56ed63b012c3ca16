namespace Kedge.Protocol.Stun;

/// <summary>How the NATs on the way map our port (RFC 4787, section 4.1), as far as servers' answers tell.</summary>
public enum NatMapping
{
    /// <summary>Fewer than two servers at different addresses of one family have answered.</summary>
    Unknown,

    /// <summary>All servers see one endpoint: peers that are told of it can be expected to reach us there.</summary>
    EndpointIndependent,

    /// <summary>Servers see different endpoints, so a peer would see yet another one ("symmetric NAT").</summary>
    EndpointDependent,
}
