using System.Collections.Concurrent;
using Kedge.Control.Identity;
using Kedge.Protocol.Api;

namespace Kedge.Control.Push;

/// <summary>
/// The last map that each node acknowledged, and what it could not use of it, up to a number of characters a node. In memory only; nodes
/// acknowledge again after a controller restart. Any thread.
/// </summary>
internal sealed class Acknowledgements
{
    private readonly ConcurrentDictionary<Guid, MapAcknowledgement> _nodes = new();

    /// <summary>A node has said which map it has.</summary>
    /// <returns>What it could not use and had not said before.</returns>
    public IReadOnlyList<RefusedResource> Take(Guid node, MapAcknowledgement acknowledgement)
    {
        IReadOnlyList<RefusedResource> before = Of(node)?.Refused ?? [];
        _nodes[node] = acknowledgement with { Refused = Bounded(acknowledgement.Refused) };
        return [.. acknowledgement.Refused.Except(before)];
    }

    /// <summary>What a node has said last; null for nothing since this process started.</summary>
    public MapAcknowledgement? Of(Guid node) => _nodes.GetValueOrDefault(node);

    /// <summary>The revision of a store's map that a node has said it has; null for none since this process started.</summary>
    public long? RevisionOf(Guid node, Guid store) => Of(node) is { } last && last.Store == store ? last.Revision : null;

    /// <summary>Forgets a node that is gone.</summary>
    public void Forget(Guid node) => _nodes.TryRemove(node, out _);

    private static List<RefusedResource> Bounded(IReadOnlyList<RefusedResource> refused)
    {
        int length = 0;
        return [.. refused.TakeWhile(one => (length += one.Resource.Length + one.Reason.Length) <= NodeBudget.MostKept)];
    }
}
