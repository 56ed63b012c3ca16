using System.Data.Common;

namespace Kedge.Control.Store;

/// <summary>
/// One change of the store, alone with it: what it reads stays true until it is committed. All of it is kept or nothing. It must do
/// nothing outside the store, because it is undone where what it is committed together with cannot be kept.
/// </summary>
internal sealed class StoreTransaction(DbConnection connection) : StoreReader(connection, default)
{
    /// <summary>Carries out a statement and returns how many rows it changed.</summary>
    public int Execute(Sql sql) => Run(sql);

    /// <summary>Takes the next revision, for a change that nodes are to learn of.</summary>
    /// <param name="zone">The zone it concerns; empty for all.</param>
    /// <param name="subject">What it is about.</param>
    /// <param name="id">The identifier of what changed.</param>
    /// <param name="removed">Whether it is gone.</param>
    /// <returns>The revision.</returns>
    public long Change(Guid zone, MapSubject subject, Guid id, bool removed = false)
    {
        long revision = Number($"UPDATE store SET revision = revision + 1 RETURNING revision");
        Execute($"INSERT INTO change (revision, zone, subject, id, removed) VALUES ({revision}, {zone}, {(long)subject}, {id}, {removed})");
        return revision;
    }

    /// <summary>Puts down in the audit log who did what.</summary>
    public void Audit(Actor actor, string action, string subject, Guid? zone, string detail) => Execute(
        $"""
        INSERT INTO audit (sequence, at, actor, source, action, subject, zone, detail)
        SELECT COALESCE(MAX(sequence), 0) + 1, {Now}, {actor.Name}, {actor.Source}, {action}, {subject}, {zone}, {detail} FROM audit
        """);

    /// <summary>The next change begins, at another time; of which only milliseconds count, as in the store.</summary>
    internal void BeginAt(DateTimeOffset now) => Now = DateTimeOffset.FromUnixTimeMilliseconds(now.ToUnixTimeMilliseconds());
}

/// <summary>Who makes a change.</summary>
/// <param name="Name"><c>administrator NAME</c>, <c>node ID</c>, <c>token ID</c>, or <c>controller</c>.</param>
/// <param name="Source">The address that the call came from; null where it came from the controller's own machine or self.</param>
internal sealed record Actor(string Name, string? Source)
{
    /// <summary>What the controller does by itself.</summary>
    public static readonly Actor Controller = new("controller", null);
}
