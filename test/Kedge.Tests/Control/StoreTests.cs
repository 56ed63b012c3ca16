using Kedge.Control;
using Kedge.Control.Store;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Tests.Threading;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Control;

/// <summary>The store, on a real file.</summary>
public class StoreTests
{
    [Fact]
    public async Task Revisions_have_no_gaps_whatever_is_refused_in_between()
    {
        await using Network network = await Network.CreateAsync();
        long first = network.Store.Revision;

        bool[] kept = await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            try
            {
                await network.Store.WriteAsync(change =>
                {
                    change.Change(Guid.Empty, MapSubject.Zone, Guid.NewGuid());
                    if (i % 3 == 0)
                        throw Refusal.Conflict("not this one");
                });
                return true;
            }
            catch (Refusal)
            {
                return false;
            }
        }));

        IReadOnlyList<MapChange> changes = (await network.Store.ReadChangesAsync(first, TestContext.Current.CancellationToken))!;
        Assert.Equal(kept.Count(one => one), changes.Count);
        Assert.Equal(Enumerable.Range(1, changes.Count).Select(i => first + i), changes.Select(change => change.Revision));
        Assert.Equal(changes[^1].Revision, network.Store.Revision);
    }

    [Fact]
    public async Task A_defect_in_one_change_fails_that_change_and_not_those_after_it()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("kedge-test-");
        var clock = new FaultyClock(TimeProvider.System);
        var log = new RecordingLog();
        await using (SqliteStore store = SqliteStore.Open(Path.Combine(folder.FullName, "store.db"), clock, log))
        {
            clock.Fail(1);
            StoreException failure = await Assert.ThrowsAsync<StoreException>(() => store.WriteAsync(Zones.CreateDefault));
            Assert.Contains("The clock stands still.", failure.Message, StringComparison.Ordinal);
            Assert.False(store.IsWritable);
            Assert.Contains(log.Lines, line => line.Contains("Keeping a change failed", StringComparison.Ordinal));

            await store.WriteAsync(Zones.CreateDefault);
            Assert.True(store.IsWritable);
        }
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_revision_is_never_visible_before_those_below_it()
    {
        await using Network network = await Network.CreateAsync();
        long seen = network.Store.Revision;
        Task writing = Task.WhenAll(Enumerable.Range(0, 300).Select(_ =>
            network.Store.WriteAsync(change => change.Change(Guid.Empty, MapSubject.Zone, Guid.NewGuid()))));

        while (!writing.IsCompleted)
        {
            foreach (MapChange change in (await network.Store.ReadChangesAsync(seen, TestContext.Current.CancellationToken))!)
                Assert.Equal(++seen, change.Revision);
        }
        await writing;
    }

    [Fact]
    public async Task What_a_change_reads_nobody_else_has_changed_when_it_writes()
    {
        await using Network network = await Network.CreateAsync();
        await network.Store.WriteAsync(change => change.Execute($"CREATE TABLE counter (value INTEGER NOT NULL)"));
        await network.Store.WriteAsync(change => change.Execute($"INSERT INTO counter (value) VALUES (0)"));

        await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => network.Store.WriteAsync(change =>
        {
            long value = change.Number($"SELECT value FROM counter");
            change.Execute($"UPDATE counter SET value = {value + 1}");
        })));

        Assert.Equal(500, network.Store.Read(reader => reader.Number($"SELECT value FROM counter")));
    }

    [Fact]
    public async Task Changes_that_are_no_longer_known_are_not_taken_for_none()
    {
        await using Network network = await Network.CreateAsync();
        for (int i = 0; i < 10; i++)
            await network.Store.WriteAsync(change => change.Change(Guid.Empty, MapSubject.Zone, Guid.NewGuid()));
        long present = network.Store.Revision;
        await network.Store.WriteAsync(change => change.Execute($"DELETE FROM change WHERE revision <= {present - 3}"));

        Assert.Empty((await network.Store.ReadChangesAsync(present, TestContext.Current.CancellationToken))!);
        Assert.Equal(3, (await network.Store.ReadChangesAsync(present - 3, TestContext.Current.CancellationToken))!.Count);
        Assert.Null(await network.Store.ReadChangesAsync(present - 4, TestContext.Current.CancellationToken));
        Assert.Null(await network.Store.ReadChangesAsync(present + 1, TestContext.Current.CancellationToken)); // of another store, or one that was restored
        await network.Store.WriteAsync(change => change.Execute($"DELETE FROM change"));
        Assert.Empty((await network.Store.ReadChangesAsync(present, TestContext.Current.CancellationToken))!);
        Assert.Null(await network.Store.ReadChangesAsync(present - 1, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Whoever_waits_for_a_change_learns_of_it()
    {
        await using Network network = await Network.CreateAsync();
        long before = network.Store.Revision;
        Task waiting = network.Store.WaitForChangeAsync(before, TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);

        await network.Store.WriteAsync(change => change.Change(Guid.Empty, MapSubject.Zone, Guid.NewGuid()));

        await waiting.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        await network.Store.WaitForChangeAsync(before, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_store_keeps_its_name_and_revision_and_a_copy_gets_another_name()
    {
        await using Network network = await Network.CreateAsync();
        string copy = network.StoreFile + ".copy";
        SqliteStore.CopyTo(network.StoreFile, copy);

        Guid again, renamed;
        await using (SqliteStore store = SqliteStore.Open(copy, network.Clock, NullLogger.Instance))
        {
            again = store.StoreId;
            Assert.Equal(network.Store.Revision, store.Revision);
        }
        SqliteStore.Rename(copy, network.Clock, _ => { });
        await using (SqliteStore store = SqliteStore.Open(copy, network.Clock, NullLogger.Instance))
            renamed = store.StoreId;

        Assert.Equal(network.Store.StoreId, again);
        Assert.NotEqual(network.Store.StoreId, renamed);
    }

    [Fact]
    public async Task A_value_never_becomes_part_of_a_statement()
    {
        await using Network network = await Network.CreateAsync();
        const string Hostile = "x'; DROP TABLE node; --";

        Assert.Null(network.Store.Read(reader => Zones.TryFind(reader, Hostile)));
        Assert.Throws<Refusal>(() => network.Store.Read(reader => Nodes.Find(reader, Hostile, null)));
        Assert.Equal(0, network.Store.Read(reader => reader.Number($"SELECT COUNT(*) FROM node")));
    }

    [Fact]
    public async Task A_node_of_an_older_store_counts_as_having_asked_for_the_name_that_it_has()
    {
        await using Network network = await Network.CreateAsync();
        await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync());
        await network.Registry.CreateAsync(new NodeCreation { Name = "stock", WireGuardKey = new Applicant("x").WireGuardKey.ToString() }, Network.Administrator);

        await using SqliteStore store = await OpenOlderAsync(network, step: 2, change => change.Execute($"ALTER TABLE node DROP COLUMN asked_name"));

        Assert.Equal([("one", "one"), ("stock", null)], store.Read(reader => Nodes.List(reader, null).Select(node => (node.Name, node.AskedName)).ToList()));
    }

    [Fact]
    public async Task A_prefix_that_waits_for_approval_in_an_older_store_goes_on_waiting_and_keeps_nobody_from_it()
    {
        await using Network network = await Network.CreateAsync();
        await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync(), request => request with { ChildPrefixes = ["10.5.0.0/16"] });

        await using SqliteStore store = await OpenOlderAsync(network, step: 3, change => change.Execute(
            $"""
            INSERT INTO lease (zone, low, high, value, kind, status, node, created_at)
                SELECT zone, low, high, value, 'child', 'waiting', node, created_at FROM claim
            """));

        Assert.Equal("waiting", store.Read(reader => Leases.List(reader, null)).Single(lease => lease.Value == "10.5.0.0/16").Status);
        Assert.Equal(0, store.Read(reader => reader.Number($"SELECT COUNT(*) FROM lease WHERE kind = 'child'")));
    }

    [Fact]
    public async Task A_store_of_a_newer_program_is_not_touched()
    {
        await using Network network = await Network.CreateAsync();
        string copy = network.StoreFile + ".newer";
        await network.Store.WriteAsync(change => change.Execute($"INSERT INTO migration (step, at) VALUES (99, 0)"));
        SqliteStore.CopyTo(network.StoreFile, copy);

        UserError error = Assert.Throws<UserError>(() => SqliteStore.Open(copy, network.Clock, NullLogger.Instance));
        Assert.Contains("newer", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_store_is_refused_in_words()
    {
        string file = Path.GetTempFileName();
        File.WriteAllText(file, new string('x', 5000));
        try
        {
            UserError error = Assert.Throws<UserError>(() => SqliteStore.Open(file, TimeProvider.System, NullLogger.Instance));
            Assert.Contains(file, error.Message, StringComparison.Ordinal);
            Assert.Contains("restore", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Opens a copy of a store that was taken back to before a migration.</summary>
    /// <param name="network">Whose store.</param>
    /// <param name="step">The first migration that is undone; 2 or 3.</param>
    /// <param name="undo">Undoes it, as far as it is not that of claims, or of what came later.</param>
    private static async Task<SqliteStore> OpenOlderAsync(Network network, int step, Action<StoreTransaction> undo)
    {
        await network.Store.WriteAsync(change =>
        {
            undo(change);
            change.Execute($"DROP TABLE claim");
            change.Execute($"ALTER TABLE lease DROP COLUMN released_revision");
            change.Execute($"ALTER TABLE node DROP COLUMN invitation_proof");
            change.Execute($"DELETE FROM migration WHERE step >= {step}");
        });
        string copy = network.StoreFile + ".older";
        SqliteStore.CopyTo(network.StoreFile, copy);
        return SqliteStore.Open(copy, network.Clock, NullLogger.Instance);
    }
}
