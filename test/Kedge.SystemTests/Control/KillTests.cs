using Kedge.Control.Store;
using Kedge.Demo;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.SystemTests.Control;

/// <summary>What a store keeps when its process is killed.</summary>
public class KillTests
{
    [Fact]
    public Task A_store_whose_process_is_killed_under_writes_ten_times_loses_nothing_acknowledged_and_has_nothing_by_half() => KillAsync(10);

    [Fact]
    [Trait("Category", "Soak")]
    public Task A_store_whose_process_is_killed_under_writes_fifty_times_loses_nothing_acknowledged_and_has_nothing_by_half() => KillAsync(50);

    private static async Task KillAsync(int kills)
    {
        const int Seed = 77031;
        var random = new Random(Seed);
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {Seed}");
        using var net = Topology.Create(); // for its folder alone
        string file = Path.Combine(net.TempFolder, "store.db");
        HashSet<Guid> acknowledged = [];

        for (int kill = 0; kill < kills; kill++)
        {
            int before = acknowledged.Count;
            using (RunningProcess writer = RunningProcess.Start(new Command(Environment.ProcessPath!, StoreWriter.Mode, file)))
            {
                int wanted = random.Next(1, 200);
                Wait.Until(() => Count(writer.Output) >= wanted || writer.HasExited, ControllerProcess.Patience, "writes");
                Assert.False(writer.HasExited, writer.Error);
                acknowledged.UnionWith(Read(writer.Kill().Output));
            }
            Assert.True(acknowledged.Count > before);
        }

        await using SqliteStore store = SqliteStore.Open(file, TimeProvider.System, NullLogger.Instance);
        HashSet<Guid> kept = [.. store.Read(reader => reader.List($"SELECT id FROM zone", row => row.Guid(0)))];
        IReadOnlyList<MapChange> changes = (await store.ReadChangesAsync(0, TestContext.Current.CancellationToken))!;
        Assert.Empty(acknowledged.Except(kept));
        Assert.Equal(Enumerable.Range(1, changes.Count).Select(i => (long)i), changes.Select(change => change.Revision));
        Assert.Equal(changes.Count, store.Revision);
        Assert.True(kept.SetEquals(changes.Select(change => change.Id))); // each zone with its change,
        Assert.Equal(kept.Count, store.Read(reader => reader.Number($"SELECT COUNT(*) FROM audit"))); // and its line in the audit log
        Assert.Equal("ok", store.Read(reader => reader.First($"PRAGMA integrity_check", row => row.Text(0))));
    }

    private static int Count(string output) => output.Count(c => c == '\n');

    private static IEnumerable<Guid> Read(string output) =>
        output.Split('\n').Where(line => line.EndsWith(" .", StringComparison.Ordinal)).Select(line => Guid.Parse(line.Split(' ')[1]));
}
