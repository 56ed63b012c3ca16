namespace Kedge.Control.Store;

/// <content>What the push side reads.</content>
internal sealed partial class SqliteStore : IMapSource
{
    /// <summary>How many changes are kept for those who come back.</summary>
    public const int ChangesKept = 100_000;

    /// <inheritdoc/>
    public Guid StoreId { get; }

    /// <inheritdoc/>
    public long Revision => Interlocked.Read(ref _revision);

    /// <inheritdoc/>
    public async Task WaitForChangeAsync(long after, CancellationToken cancellation)
    {
        while (true)
        {
            Task changed = _changed.Task; // before the look, so that no change falls between the two
            if (Revision > after)
                return;
            await changed.WaitAsync(cancellation);
        }
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<MapChange>?> ReadChangesAsync(long after, CancellationToken cancellation) => Task.FromResult(Read(store =>
    {
        long present = store.Revision;
        long oldest = store.Number($"SELECT COALESCE(MIN(revision), {present + 1}) FROM change");
        if (after > present || after < oldest - 1)
            return null;
        return (IReadOnlyList<MapChange>?)store.List(
            $"SELECT revision, zone, subject, id, removed FROM change WHERE revision > {after} ORDER BY revision",
            row => new MapChange(row.Number(0), row.Guid(1), (MapSubject)row.Number(2), row.Guid(3), row.Flag(4)));
    }));

    /// <inheritdoc/>
    public Task<MapZone?> ReadZoneAsync(Guid zone, CancellationToken cancellation) => Task.FromResult(Read(store =>
        store.First(
            $"SELECT name, ipv4, ipv6 FROM zone WHERE id = {zone}",
            row => (Name: row.Text(0), Prefixes: new[] { row.OptionalText(1), row.OptionalText(2) }.OfType<string>().ToArray()).ToTuple())
            is not var (name, prefixes)
            ? null
            : new MapZone(
                store.Revision,
                zone,
                name,
                prefixes,
                store.List(
                    $"""
                    SELECT id, zone, revision, name, identity_hash, certificate, fixed_endpoint FROM node
                    WHERE zone = {zone} AND status = 'active' AND certificate IS NOT NULL ORDER BY id
                    """,
                    ReadMapNode))));

    /// <inheritdoc/>
    public Task<IReadOnlyList<MapNode>> ReadNodesAsync(IReadOnlyCollection<Guid> nodes, CancellationToken cancellation) =>
        Task.FromResult(Read(store => (IReadOnlyList<MapNode>)nodes.Chunk(500).SelectMany(some => store.List(
            $"""
            SELECT id, zone, revision, name, identity_hash, certificate, fixed_endpoint FROM node
            WHERE id IN {some} AND status = 'active' AND certificate IS NOT NULL
            """,
            ReadMapNode)).ToArray()));

    private static MapNode ReadMapNode(Row row) => new(
        row.Guid(0), row.Guid(1), row.Number(2), row.Text(3), row.OptionalBytes(4) ?? [], row.Bytes(5), row.OptionalText(6));
}
