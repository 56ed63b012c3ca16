namespace Kedge.Protocol.Ip;

/// <summary>How it is known where a node can be reached.</summary>
public enum PeerEndpointKind
{
    /// <summary>An address of its machine.</summary>
    Local,

    /// <summary>Its address as a STUN server saw it.</summary>
    Reflexive,

    /// <summary>What its gateway maps to it.</summary>
    Mapped,

    /// <summary>A person said so.</summary>
    Fixed,

    /// <summary>It was heard from there.</summary>
    Heard,

    /// <summary>A relay passes on what is for it: the relay's overlay address, with a port that means nothing.</summary>
    Relay,

    /// <summary>It has a stream to the controller, which passes on what is for it: the address that stands for it there.</summary>
    Stream,
}

/// <summary>Where a node can be reached.</summary>
/// <param name="Address">Address and UDP port.</param>
/// <param name="Kind">How it is known.</param>
public readonly record struct PeerEndpoint(Endpoint Address, PeerEndpointKind Kind);
