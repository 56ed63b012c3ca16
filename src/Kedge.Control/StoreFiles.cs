using System.Formats.Tar;
using System.Text;
using Kedge.Control.Identity;
using Kedge.Control.Pki;
using Kedge.Control.Store;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Control;

/// <summary>What is done with a controller's data folder from outside of the controller.</summary>
public static class StoreFiles
{
    private const string StoreEntry = "store.db";
    private const string TokenEntry = "administrator.token";
    private const string KeyEntries = "keys/";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Makes another token for the first administrator, and writes it to its file. The controller may run meanwhile.</summary>
    /// <returns>The token.</returns>
    /// <exception cref="UserError">There is no store, or it cannot be written.</exception>
    public static async Task<string> ReplaceAdministratorTokenAsync(string dataDirectory, TimeProvider clock)
    {
        RequireStore(dataDirectory);
        await using SqliteStore store = SqliteStore.Open(DataDirectory.StoreFileOf(dataDirectory), clock, NullLogger.Instance);
        try
        {
            var actor = new Actor($"user {Environment.UserName} on the controller's machine", null);
            string token = await store.WriteAsync(change => Administrators.Replace(change, actor, Administrators.First));
            SecretFile.Write(DataDirectory.AdministratorTokenFileOf(dataDirectory), Encoding.ASCII.GetBytes(token + "\n"));
            return token;
        }
        catch (StoreException e)
        {
            throw new UserError(e.Message, e);
        }
    }

    /// <summary>
    /// Writes the store, as of one moment, and the keys to an output, after checking them as <see cref="Restore"/> would. The controller may
    /// run meanwhile. A file is created with mode 0600 and replaces no other; a pipe or a device is written to.
    /// </summary>
    /// <exception cref="UserError">There is no store, the file is there already, or it cannot be written.</exception>
    public static void Backup(string dataDirectory, string file)
    {
        RequireStore(dataDirectory);
        string work = Path.Combine(dataDirectory, "backing-up");
        try
        {
            using FileStream claim = ClaimBackup(dataDirectory);
            try
            {
                DeleteFolder(work); // of a backup that was interrupted
                SecretFile.CreateFolder(work);
                string tar = Path.Combine(work, "tar"), check = Path.Combine(work, "check");
                WriteTar(dataDirectory, work, tar);
                SecretFile.CreateFolder(check);
                SecretFile.CreateFolder(Path.Combine(check, "keys"));
                Extract(tar, check);
                Check(check);
                OutputFile.CopyNew(file, tar);
            }
            finally
            {
                DeleteFolder(work);
            }
        }
        catch (Exception e) when (IsFailure(e))
        {
            string reason = e is LinuxException { Errno: Errno.EEXIST } ? "There is such a file already." : e.Message;
            throw new UserError($"No backup can be written to {file}: {reason}", e);
        }
    }

    /// <summary>
    /// Puts a backup in place of what is there. The store gets another name, so that nodes do not take its revisions for those that they know.
    /// A restore that is interrupted is finished when the controller, or a command, next opens the data folder.
    /// </summary>
    /// <returns>What was brought back, and what was there.</returns>
    /// <exception cref="UserError">The file is not a backup, or a controller runs.</exception>
    public static RestoreReport Restore(string dataDirectory, string file, TimeProvider clock)
    {
        using DataDirectory data = DataDirectory.Lock(dataDirectory);
        var restoration = new Restoration(data.Path);
        try
        {
            restoration.Prepare();
            DateTimeOffset madeAt = Extract(file, restoration.Incoming);
            Check(restoration.Incoming);
            string incoming = Path.Combine(restoration.Incoming, StoreEntry);
            IReadOnlyList<byte[]> lists = TryInspect(data.StoreFile, RevocationLists.All) ?? [];
            SqliteStore.Rename(incoming, clock, change => KeepRevocations(change, lists));
            IReadOnlyList<RestoredNode>? before = TryInspect(data.StoreFile, RestoredNode.List);
            IReadOnlyList<RestoredNode> restored = SqliteStore.Inspect(incoming, RestoredNode.List);

            bool isFirst = !File.Exists(data.StoreFile) && !Directory.EnumerateFileSystemEntries(data.KeyFolder).Any();
            string former = NewFolderName(data.Path, $"before-restore-{clock.GetUtcNow():yyyyMMdd'T'HHmmss'Z'}");
            restoration.Begin(former);
            restoration.Finish();
            former = Path.Combine(data.Path, former);
            if (isFirst)
                DeleteFolder(former);
            return RestoreReport.Compare(isFirst ? null : former, madeAt, restored, before);
        }
        catch (Exception e) when (IsFailure(e))
        {
            throw new UserError($"{file} cannot be restored: {e.Message}", e);
        }
    }

    private static bool IsFailure(Exception e) =>
        e is IOException or UnauthorizedAccessException or InvalidDataException or SqliteException or LinuxException;

    // One at a time, because all use one folder. The lock ends with the process.
    private static FileStream ClaimBackup(string dataDirectory) => new(Path.Combine(dataDirectory, "backup.lock"), new FileStreamOptions
    {
        Mode = FileMode.OpenOrCreate,
        Access = FileAccess.ReadWrite,
        Share = FileShare.None,
        UnixCreateMode = OwnerOnly,
    });

    private static void WriteTar(string dataDirectory, string work, string path)
    {
        string copy = Path.Combine(work, StoreEntry);
        SqliteStore.CopyTo(DataDirectory.StoreFileOf(dataDirectory), copy);
        using FileStream output = CreateFile(path);
        using (var tar = new TarWriter(output, TarEntryFormat.Pax, leaveOpen: true))
        {
            WriteEntry(tar, copy, StoreEntry);
            if (File.Exists(DataDirectory.AdministratorTokenFileOf(dataDirectory)))
                WriteEntry(tar, DataDirectory.AdministratorTokenFileOf(dataDirectory), TokenEntry);
            IEnumerable<string> keys = Directory.EnumerateFiles(DataDirectory.KeyFolderOf(dataDirectory));
            foreach (string key in keys.Where(name => Path.GetExtension(name) is ".pem" or ".key"))
                WriteEntry(tar, key, KeyEntries + Path.GetFileName(key));
        }
        File.Delete(copy);
    }

    // By its contents, so that a key which is a link to another place is in the backup too.
    private static void WriteEntry(TarWriter tar, string path, string name)
    {
        using FileStream contents = File.OpenRead(path);
        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name)
        {
            DataStream = contents,
            Mode = OwnerOnly,
            ModificationTime = File.GetLastWriteTimeUtc(path),
        });
    }

    /// <summary>Checks that a folder has all that a controller needs of a network.</summary>
    /// <exception cref="InvalidDataException">It has not.</exception>
    /// <exception cref="SqliteException">The store cannot be read.</exception>
    private static void Check(string folder)
    {
        string[] needed = [StoreEntry, KeyEntries + "master.pem", KeyEntries + "server-ca.pem", KeyEntries + "server-ca.key"];
        foreach (string name in needed)
        {
            if (!File.Exists(Path.Combine(folder, name)))
                throw new InvalidDataException($"there is no {name} in it.");
        }
        string store = Path.Combine(folder, StoreEntry);
        if (SqliteStore.Inspect(store, reader => reader.First($"PRAGMA quick_check(1)", row => row.Text(0))) is not "ok")
            throw new InvalidDataException("the store in it is damaged.");
        if (SqliteStore.Inspect(store, reader => reader.Number($"SELECT COUNT(*) FROM store")) != 1)
            throw new InvalidDataException("the store in it has no network.");
    }

    private static FileStream CreateFile(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.CreateNew,
        Access = FileAccess.Write,
        UnixCreateMode = OwnerOnly,
    });

    private static string NewFolderName(string folder, string name)
    {
        string found = name;
        for (int i = 2; Path.Exists(Path.Combine(folder, found)); i++)
            found = $"{name}-{i}";
        return found;
    }

    // A store that is damaged says nothing; its revocation lists the nodes still have.
    private static IReadOnlyList<T>? TryInspect<T>(string store, Func<StoreReader, IReadOnlyList<T>> read)
    {
        try
        {
            return File.Exists(store) ? SqliteStore.Inspect(store, read) : null;
        }
        catch (SqliteException)
        {
            return null;
        }
    }

    // What was revoked since the backup was made stays revoked.
    private static void KeepRevocations(StoreTransaction change, IEnumerable<byte[]> lists)
    {
        foreach (byte[] der in lists)
        {
            if (RevocationList.TryParse(der, out RevocationList? list, out _))
                _ = RevocationLists.TryReplace(change, list);
        }
    }

    /// <summary>Unpacks a backup.</summary>
    /// <returns>When it was made.</returns>
    private static DateTimeOffset Extract(string file, string folder)
    {
        DateTimeOffset madeAt = default;
        using FileStream input = File.OpenRead(file);
        using var tar = new TarReader(input);
        while (tar.GetNextEntry() is { } entry)
        {
            bool isKey = entry.Name.StartsWith(KeyEntries, StringComparison.Ordinal)
                && Path.GetFileName(entry.Name) == entry.Name[KeyEntries.Length..] && entry.Name.Length > KeyEntries.Length;
            if (entry.EntryType is not TarEntryType.RegularFile || !(isKey || entry.Name is StoreEntry or TokenEntry) || entry.Name.Contains("..", StringComparison.Ordinal))
                throw new InvalidDataException($"it has an entry that no backup has, '{entry.Name}'.");
            if (entry.Name is StoreEntry)
                madeAt = entry.ModificationTime;
            string target = Path.Combine(folder, entry.Name);
            using FileStream output = CreateFile(target);
            entry.DataStream?.CopyTo(output);
            output.Flush(flushToDisk: true);
        }
        return madeAt;
    }

    private static void RequireStore(string dataDirectory)
    {
        if (Restoration.IsUnfinished(dataDirectory))
            throw new UserError($"A restore was interrupted in {dataDirectory}. The next start of the controller finishes it.");
        if (!DataDirectory.HasStore(dataDirectory))
            throw new UserError($"There is no controller's store in {dataDirectory}. Name the folder with --data-dir.");
    }

    private static void DeleteFolder(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
    }
}
