using System.Formats.Tar;
using Kedge.Control;
using Kedge.Control.Pki;
using Kedge.Control.Store;
using Kedge.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Control;

/// <summary>Backups and restores of a data folder without a controller.</summary>
public sealed class BackupTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;
    private readonly VirtualClock _clock = new();

    private string Data => PathOf("data");

    private string Backup => PathOf("net.tar");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_file_beside_the_backup_that_has_the_stores_name_is_left_alone()
    {
        await CreateNetworkAsync();
        File.WriteAllText(Backup + ".store", "somebody's own");

        StoreFiles.Backup(Data, Backup);

        Assert.Equal("somebody's own", File.ReadAllText(Backup + ".store"));
        Assert.Equal(["data", "net.tar", "net.tar.store"], Names(_folder));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Backup));
    }

    [Fact]
    public async Task A_link_beside_the_backup_is_not_followed_and_the_store_is_in_the_backup()
    {
        await CreateNetworkAsync();
        File.WriteAllText(PathOf("victim"), "precious");
        File.CreateSymbolicLink(Backup + ".store", PathOf("victim"));

        StoreFiles.Backup(Data, Backup);

        Assert.Equal("precious", File.ReadAllText(PathOf("victim")));
        Assert.Contains("store.db", EntriesOf(Backup));
    }

    [Fact]
    public async Task A_backup_replaces_no_file()
    {
        await CreateNetworkAsync();
        File.WriteAllText(Backup, "another backup");

        UserError refusal = Assert.Throws<UserError>(() => StoreFiles.Backup(Data, Backup));

        Assert.Contains("such a file already", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("another backup", File.ReadAllText(Backup));
    }

    [Fact]
    public async Task A_key_that_is_a_link_is_in_the_backup_with_its_contents()
    {
        await CreateNetworkAsync();
        string key = Path.Combine(Data, "keys", "master.key"), elsewhere = PathOf("usb-stick");
        File.Move(key, elsewhere);
        File.CreateSymbolicLink(key, elsewhere);

        StoreFiles.Backup(Data, Backup);

        StoreFiles.Restore(PathOf("copy"), Backup, _clock);
        Assert.Equal(File.ReadAllText(elsewhere), File.ReadAllText(PathOf("copy/keys/master.key")));
    }

    [Fact]
    public async Task A_backup_that_could_not_be_restored_is_not_reported_as_one()
    {
        await CreateNetworkAsync();
        File.Delete(Path.Combine(Data, "keys", "server-ca.key"));

        UserError refusal = Assert.Throws<UserError>(() => StoreFiles.Backup(Data, Backup));

        Assert.Contains("no keys/server-ca.key in it", refusal.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Backup));
        Assert.DoesNotContain("backing-up", Names(Data));
    }

    [Fact]
    public async Task What_an_interrupted_backup_has_left_does_not_stand_in_the_way_of_the_next()
    {
        await CreateNetworkAsync();
        Directory.CreateDirectory(Path.Combine(Data, "backing-up", "check"));
        File.WriteAllText(Path.Combine(Data, "backing-up", "store.db"), "half a store");

        StoreFiles.Backup(Data, Backup);

        Assert.Contains("store.db", EntriesOf(Backup));
        Assert.DoesNotContain("backing-up", Names(Data));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(2)]
    [InlineData(1)]
    public async Task A_backup_that_was_cut_off_is_refused_and_changes_nothing(int quarters)
    {
        Guid network = await CreateNetworkAsync();
        StoreFiles.Backup(Data, Backup);
        byte[] whole = File.ReadAllBytes(Backup);
        File.WriteAllBytes(Backup, whole[..(whole.Length * quarters / 4)]);

        UserError refusal = Assert.Throws<UserError>(() => StoreFiles.Restore(Data, Backup, _clock));

        Assert.Contains("cannot be restored", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(network, StoreIdOf(Data));
    }

    /// <summary>Whatever the moment at which a restore is killed, the next to open the folder has the network that was restored.</summary>
    [Fact]
    public async Task An_interrupted_restore_is_finished_whichever_step_was_the_last()
    {
        await CreateNetworkAsync();
        string restoredKey = File.ReadAllText(Path.Combine(Data, "keys", "master.pem"));
        StoreFiles.Backup(Data, Backup);

        for (int done = 0; ; done++)
        {
            Directory.Delete(Data, recursive: true);
            await CreateNetworkAsync();
            string formerKey = File.ReadAllText(Path.Combine(Data, "keys", "master.pem"));
            Guid former = StoreIdOf(Data);
            Guid restored = Prepare();
            var interrupted = new Restoration(Data);
            interrupted.Begin("before");
            int steps = interrupted.Steps().Take(done).Count();
            if (steps < done)
            {
                Assert.True(done > 5, "There are not as many steps as parts.");
                return;
            }
            if (Restoration.IsUnfinished(Data))
            {
                UserError refusal = Assert.Throws<UserError>(() => StoreFiles.Backup(Data, PathOf("other")));
                Assert.Contains("interrupted", refusal.Message, StringComparison.Ordinal);
            }

            DataDirectory.Lock(Data).Dispose();

            Assert.False(Restoration.IsUnfinished(Data));
            Assert.Equal(restored, StoreIdOf(Data));
            Assert.Equal(restoredKey, File.ReadAllText(Path.Combine(Data, "keys", "master.pem")));
            Assert.Equal(former, StoreIdOf(Path.Combine(Data, "before")));
            Assert.Equal(formerKey, File.ReadAllText(Path.Combine(Data, "before", "keys", "master.pem")));
            Assert.DoesNotContain("restoring", Names(Data));
        }
    }

    [Fact]
    public async Task A_restore_that_was_interrupted_before_it_changed_anything_is_forgotten()
    {
        Guid network = await CreateNetworkAsync();
        StoreFiles.Backup(Data, Backup);
        Prepare();

        DataDirectory.Lock(Data).Dispose();

        Assert.Equal(network, StoreIdOf(Data));
        Assert.DoesNotContain("restoring", Names(Data));
    }

    [Fact]
    public async Task Two_restores_in_one_second_keep_both_former_networks()
    {
        await CreateNetworkAsync();
        StoreFiles.Backup(Data, Backup);

        string? first = StoreFiles.Restore(Data, Backup, _clock).Former;
        string? second = StoreFiles.Restore(Data, Backup, _clock).Former;

        Assert.NotEqual(first, second);
        Assert.True(File.Exists(Path.Combine(first!, "store.db")));
        Assert.True(File.Exists(Path.Combine(second!, "store.db")));
    }

    private static IEnumerable<string> Names(string folder) =>
        Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    private static List<string> EntriesOf(string tar)
    {
        using var reader = new TarReader(File.OpenRead(tar));
        List<string> names = [];
        while (reader.GetNextEntry() is { } entry)
        {
            Assert.Equal(TarEntryType.RegularFile, entry.EntryType);
            names.Add(entry.Name);
        }
        return names;
    }

    private static Guid StoreIdOf(string folder) => SqliteStore.Inspect(
        Path.Combine(folder, "store.db"), reader => new Guid(reader.First($"SELECT id FROM store", row => row.Bytes(0))!, bigEndian: true));

    /// <summary>Prepares the restore of the backup, and returns the store's identifier.</summary>
    private Guid Prepare()
    {
        var restoration = new Restoration(Data);
        restoration.Prepare();
        TarFile.ExtractToDirectory(Backup, restoration.Incoming, overwriteFiles: true);
        return StoreIdOf(restoration.Incoming);
    }

    private async Task<Guid> CreateNetworkAsync()
    {
        using DataDirectory data = DataDirectory.Lock(Data);
        NetworkAuthority.Open(data.KeyFolder, null, _clock.GetUtcNow()).Dispose();
        ServerCertificate.Open(data.KeyFolder, ["localhost"], _clock).Dispose();
        data.WriteAdministratorToken("token");
        await using SqliteStore store = SqliteStore.Open(data.StoreFile, _clock, NullLogger.Instance);
        return store.StoreId;
    }

    private string PathOf(string name) => Path.Combine(_folder, name);
}
