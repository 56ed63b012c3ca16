using System.Net;
using Kedge.Control;
using Kedge.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Control;

/// <summary>What a controller makes of the data folder that it finds.</summary>
public sealed class ControllerStartTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;

    private string Data => Path.Combine(_folder, "data");

    private string Store => Path.Combine(Data, "store.db");

    private string Keys => Path.Combine(Data, "keys");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Keys_without_their_store_are_refused_and_not_started_as_an_empty_network()
    {
        await StartAndEndAsync();
        string[] keys = Directory.GetFiles(Keys);
        foreach (string path in Directory.GetFiles(Data, "store.db*"))
            File.Delete(path);

        UserError missing = await Assert.ThrowsAsync<UserError>(StartAndEndAsync);
        Assert.Contains("is missing", missing.Message, StringComparison.Ordinal);
        Assert.Contains("kedge controller restore FILE", missing.Message, StringComparison.Ordinal);
        await File.WriteAllBytesAsync(Store, [], TestContext.Current.CancellationToken);
        Assert.Contains("is empty", (await Assert.ThrowsAsync<UserError>(StartAndEndAsync)).Message, StringComparison.Ordinal);
        // Nothing else makes a store under these keys either.
        await Assert.ThrowsAsync<UserError>(() => StoreFiles.ReplaceAdministratorTokenAsync(Data, TimeProvider.System));
        Assert.Equal(0, new FileInfo(Store).Length);
        Assert.Equal(keys.Order(), Directory.GetFiles(Keys).Order());

        Directory.Move(Keys, Keys + "-away");
        await StartAndEndAsync();
    }

    [Fact]
    public async Task A_backup_is_restored_over_keys_without_a_store_and_these_are_kept()
    {
        await StartAndEndAsync();
        string backup = Path.Combine(_folder, "backup.tar");
        StoreFiles.Backup(Data, backup);
        File.Delete(Store);

        RestoreReport report = StoreFiles.Restore(Data, backup, TimeProvider.System);

        Assert.True(File.Exists(Path.Combine(report.Former!, "keys", "master.key")));
        Assert.InRange(report.MadeAt, DateTimeOffset.UtcNow.AddMinutes(-10), DateTimeOffset.UtcNow.AddMinutes(1));
        Assert.Empty(report.Revived);
        await StartAndEndAsync();
    }

    /// <summary>The files in the order in which the first start makes them; it may end before any.</summary>
    [Theory]
    [InlineData("keys", "store.db")]
    [InlineData("keys")]
    [InlineData("keys/master.pem", "keys/server-ca.pem", "keys/server-ca.key", "administrator.token", "url")]
    [InlineData("keys/server-ca.pem", "keys/server-ca.key", "administrator.token", "url")]
    [InlineData("administrator.token", "url")]
    public async Task A_first_start_that_was_interrupted_is_gone_on_with(params string[] notMade)
    {
        await StartAndEndAsync();
        foreach (string name in notMade)
        {
            string path = Path.Combine(Data, name);
            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
            foreach (string file in Directory.GetFiles(Path.GetDirectoryName(path)!, Path.GetFileName(path) + "*"))
                File.Delete(file);
        }

        await StartAndEndAsync();
    }

    [Fact]
    public async Task What_is_noted_already_is_not_written_again()
    {
        await StartAndEndAsync();
        DateTime then = new(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc);
        string file = Controller.UrlFileOf(Data);
        File.SetLastWriteTimeUtc(file, then);

        await StartAndEndAsync();
        Assert.Equal(then, File.GetLastWriteTimeUtc(file));

        await StartAndEndAsync("https://other.example:8443");
        Assert.Equal("https://other.example:8443\n", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
    }

    private Task StartAndEndAsync() => StartAndEndAsync("https://controller.example:8443");

    private async Task StartAndEndAsync(string url)
    {
        var settings = new ControllerSettings
        {
            DataDirectory = Data,
            Listen = [new IPEndPoint(IPAddress.Loopback, 0)],
            Urls = [new Uri(url)],
            StunPort = 0,
            Version = "test",
        };
        await using Controller controller = await Controller.StartAsync(settings, TimeProvider.System, NullLogger.Instance);
    }
}
