namespace Kedge.Protocol.Mesh;

/// <summary>The names of what a map is made of. A kind that is not among them belongs to a later version and is ignored.</summary>
public static class MapResource
{
    /// <summary>The zone itself.</summary>
    public const string Zone = "zone";

    /// <summary>Authorities and revocation lists.</summary>
    public const string Trust = "trust";

    /// <summary>What all nodes of the network are told.</summary>
    public const string Settings = "settings";

    /// <summary>Begins the names of nodes, their identifier behind it.</summary>
    public const string PeerPrefix = "peer/";

    /// <summary>Begins the names of nodes' endpoints, their identifier behind it.</summary>
    public const string EndpointsPrefix = "endpoints/";

    /// <summary>Begins the names of rule sets. No controller sends them yet, and no node reads them.</summary>
    public const string PolicyPrefix = "policy/";

    /// <summary>The name of a node's record.</summary>
    public static string Peer(Guid node) => $"{PeerPrefix}{node:D}";

    /// <summary>The name of a node's endpoints.</summary>
    public static string Endpoints(Guid node) => $"{EndpointsPrefix}{node:D}";
}
