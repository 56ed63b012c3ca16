namespace Kedge.Protocol.Mesh;

/// <summary>What a commit has changed, for those who act on differences. Valid until the next frame is applied.</summary>
public sealed class MapDifference
{
    private readonly HashSet<Guid> _peers = [];
    private readonly HashSet<Guid> _endpoints = [];

    /// <summary>Nodes whose record is new, another one, or gone: what the map says of them now tells which. Never the node itself.</summary>
    public IReadOnlySet<Guid> Peers => _peers;

    /// <summary>Nodes whose endpoints are others than before.</summary>
    public IReadOnlySet<Guid> Endpoints => _endpoints;

    /// <summary>Whether the node's own record changed.</summary>
    public bool Self { get; internal set; }

    /// <summary>Whether zone, trust or settings changed.</summary>
    public bool Network { get; internal set; }

    /// <summary>Whether nothing changed.</summary>
    public bool IsEmpty => _peers.Count == 0 && _endpoints.Count == 0 && !Self && !Network;

    internal void AddPeer(Guid id) => _peers.Add(id);

    internal void AddEndpoints(Guid id) => _endpoints.Add(id);

    internal void Clear()
    {
        _peers.Clear();
        _endpoints.Clear();
        Self = Network = false;
    }
}
