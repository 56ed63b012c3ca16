using Kedge.Control.Store;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Identity;

/// <summary>
/// What the controller does by itself from time to time. How long a node was silent is measured by the process's own time and not by the clock,
/// which may jump: no jump removes a node.
/// </summary>
internal sealed class Maintenance(
    SqliteStore store, Certification certification, Registry registry, Presence presence, NodeBudget budget, AuditLog audit, TimeProvider clock,
    ILogger log)
{
    /// <summary>How often it does.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    /// <summary>After how much silence an ephemeral node counts as having left.</summary>
    public static readonly TimeSpan EphemeralSilence = TimeSpan.FromMinutes(10);

    /// <summary>After how much silence a pending node counts as having given up.</summary>
    public static readonly TimeSpan PendingSilence = TimeSpan.FromHours(24);

    /// <summary>Works until it is canceled. What fails is tried again the next time.</summary>
    public async Task RunAsync(CancellationToken ending)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        await BackgroundLoop.RunAsync(RunRoundAsync, e => Log.WorkFailed(log, e, "What the controller does by itself"), clock, ending);

        async Task RunRoundAsync(CancellationToken cancellation)
        {
            await timer.WaitForNextTickAsync(cancellation);
            try
            {
                await RunOnceAsync();
            }
            catch (StoreException e)
            {
                Log.MaintenanceFailed(log, e.Message);
            }
        }
    }

    /// <summary>Does all that is due now.</summary>
    public async Task RunOnceAsync()
    {
        foreach ((Guid node, long lines) in budget.TakeLeftOut())
            Log.LinesLeftOut(log, node, lines);
        await WriteSeenAsync();
        foreach (StoredNode node in store.Read(reader => Nodes.List(reader, null)))
        {
            TimeSpan silence = presence.SilenceOf(node.Id);
            if (node.Status == StoredNode.Pending && node.Kind == StoredNode.Kedge && silence > PendingSilence)
                await registry.LeaveAsync(node.Id, Actor.Controller, "node.give-up");
            else if (node.Status == StoredNode.Active && node.Ephemeral && silence > EphemeralSilence)
                await registry.LeaveAsync(node.Id, Actor.Controller, "node.vanish");
        }
        await store.WriteAsync(change =>
        {
            RenewStockPeers(change);
            Leases.Tidy(change);
            Nodes.Tidy(change);
            JoinTokens.Tidy(change);
            audit.Trim(change);
            change.Execute($"DELETE FROM change WHERE revision <= {change.Revision - SqliteStore.ChangesKept}");
        });
    }

    /// <summary>Writes down when nodes were last heard of.</summary>
    public async Task WriteSeenAsync()
    {
        List<(Guid, DateTimeOffset)> seen = presence.TakeUnwritten();
        if (seen.Count > 0)
            await store.WriteAsync(change => Nodes.SaveSeen(change, seen));
    }

    /// <summary>Stock WireGuard peers cannot ask for it.</summary>
    private void RenewStockPeers(StoreTransaction change)
    {
        if (certification.Authority.IsLocked)
            return;
        foreach (StoredNode node in Nodes.ListStockPeers(change).Where(node => change.Now >= Certification.RenewalOf(node)))
            _ = certification.Renew(change, node);
    }
}
