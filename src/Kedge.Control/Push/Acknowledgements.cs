using System.Collections.Concurrent;
using Kedge.Protocol.Api;

namespace Kedge.Control.Push;

/// <summary>Which map each node has, as far as it has said. In memory: it is said again after a restart. Any thread.</summary>
internal sealed class Acknowledgements
{
    private readonly ConcurrentDictionary<Guid, MapAcknowledgement> _nodes = new();

    /// <summary>A node has said which map it has.</summary>
    /// <returns>What it could not use and had not said before.</returns>
    public IReadOnlyList<RefusedResource> Take(Guid node, MapAcknowledgement acknowledgement)
    {
        IReadOnlyList<RefusedResource> before = Of(node)?.Refused ?? [];
        _nodes[node] = acknowledgement;
        return [.. acknowledgement.Refused.Except(before)];
    }

    /// <summary>What a node has said last; null for nothing since this process started.</summary>
    public MapAcknowledgement? Of(Guid node) => _nodes.GetValueOrDefault(node);

    /// <summary>The revision of a store's map that a node has said it has; null for none since this process started.</summary>
    public long? RevisionOf(Guid node, Guid store) => Of(node) is { } last && last.Store == store ? last.Revision : null;

    /// <summary>Forgets a node that is gone.</summary>
    public void Forget(Guid node) => _nodes.TryRemove(node, out _);
}
