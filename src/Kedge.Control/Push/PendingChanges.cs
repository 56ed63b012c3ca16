using Kedge.Control.Store;

namespace Kedge.Control.Push;

/// <summary>What a feed has heard of and not told yet. Guarded by its feed.</summary>
internal sealed class PendingChanges
{
    private readonly TaskCompletionSource _any = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _urgent = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when there is anything.</summary>
    public Task Any => _any.Task;

    /// <summary>Completes when there is something that is not to wait.</summary>
    public Task Urgent => _urgent.Task;

    /// <summary>The revision that it leads to.</summary>
    public long Revision { get; set; }

    /// <summary>Nodes that came, changed or went.</summary>
    public HashSet<Guid> Nodes { get; } = [];

    /// <summary>Nodes that are reached elsewhere.</summary>
    public HashSet<Guid> Endpoints { get; } = [];

    /// <summary>Whether the zone itself has changed.</summary>
    public bool Zone { get; private set; }

    /// <summary>Whether authorities, revocation lists or settings have changed.</summary>
    public bool Trust { get; private set; }

    /// <summary>Whether there is nothing.</summary>
    public bool IsEmpty => Nodes.Count == 0 && Endpoints.Count == 0 && !Zone && !Trust;

    /// <summary>Adds a change; a removal is urgent.</summary>
    public void Add(MapChange change)
    {
        Zone |= change.Subject == MapSubject.Zone;
        Trust |= change.Subject == MapSubject.Trust;
        if (change.Subject == MapSubject.Node)
            Nodes.Add(change.Id);
        if (change.Removed || change.Subject == MapSubject.Trust)
            SignalUrgent();
    }

    /// <summary>Adds what could not be told.</summary>
    public void AddAll(PendingChanges others)
    {
        Revision = Math.Max(Revision, others.Revision);
        Nodes.UnionWith(others.Nodes);
        Endpoints.UnionWith(others.Endpoints);
        Zone |= others.Zone;
        Trust |= others.Trust;
        Signal();
    }

    public void Signal() => _any.TrySetResult();

    public void SignalUrgent()
    {
        _urgent.TrySetResult();
        _any.TrySetResult();
    }
}
