using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kedge.Control.Endpoints;

/// <summary><c>/audit</c></summary>
internal static class AuditRoutes
{
    public static void MapAudit(this RouteGroupBuilder api, SqliteStore store) =>
        api.MapGet("/audit", (string? after, string? limit) =>
            {
                var faults = new Faults();
                long from = Values.ReadNumber(faults, "after", after, 0, long.MaxValue, 0);
                long most = Values.ReadNumber(faults, "limit", limit, 1, 1000, 100);
                faults.ThrowIfAny();
                return store.Read<IReadOnlyList<AuditEntry>>(reader => List(reader, after is null ? null : from, most));
            })
            .For(Access.Administrator).WithTags("Audit").WithName("listAudit")
            .WithSummary("Who changed what: the entries that follow a sequence number, or the latest ones, in order; 100 unless limit says otherwise.")
            .Refuses(400, 401);

    private static List<AuditEntry> List(StoreReader store, long? after, long most) => store.List(
        $"""
        SELECT sequence, at, actor, source, action, subject, zone, detail FROM audit
        WHERE sequence > {after ?? Math.Max(0, store.Number($"SELECT COALESCE(MAX(sequence), 0) FROM audit") - most)}
        ORDER BY sequence LIMIT {most}
        """,
        row => new AuditEntry
        {
            Sequence = row.Number(0),
            At = row.Time(1),
            Actor = row.Text(2),
            Source = row.OptionalText(3),
            Action = row.Text(4),
            Subject = row.Text(5),
            ZoneId = row.OptionalBytes(6) is { } zone ? new Guid(zone, bigEndian: true) : null,
            Detail = row.Text(7),
        });
}
