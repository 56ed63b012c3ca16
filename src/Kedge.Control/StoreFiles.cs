using System.Formats.Tar;
using System.Text;
using Kedge.Control.Identity;
using Kedge.Control.Pki;
using Kedge.Control.Store;
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

    /// <summary>Writes the store, as of one moment, and the keys to one file of mode 0600. The controller may run meanwhile.</summary>
    /// <exception cref="UserError">There is no store, or the file is there already or cannot be written.</exception>
    public static void Backup(string dataDirectory, string file)
    {
        RequireStore(dataDirectory);
        string copy = file + ".store";
        try
        {
            using var output = new FileStream(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
            try
            {
                using (File.Create(copy, 4096, FileOptions.None))
                    File.SetUnixFileMode(copy, OwnerOnly); // what comes into it must not be readable for a moment
                SqliteStore.CopyTo(DataDirectory.StoreFileOf(dataDirectory), copy);
                using var tar = new TarWriter(output, TarEntryFormat.Pax, leaveOpen: true);
                tar.WriteEntry(copy, StoreEntry);
                if (File.Exists(DataDirectory.AdministratorTokenFileOf(dataDirectory)))
                    tar.WriteEntry(DataDirectory.AdministratorTokenFileOf(dataDirectory), TokenEntry);
                foreach (string key in Directory.EnumerateFiles(Path.Combine(dataDirectory, "keys")).Where(name => Path.GetExtension(name) is ".pem" or ".key"))
                    tar.WriteEntry(key, KeyEntries + Path.GetFileName(key));
            }
            catch
            {
                File.Delete(file); // half a backup is none
                throw;
            }
            finally
            {
                File.Delete(copy);
            }
            output.Flush(flushToDisk: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SqliteException)
        {
            throw new UserError($"No backup can be written to {file}: {e.Message}", e);
        }
    }

    /// <summary>
    /// Puts a backup in place of what is there. The store gets another name, so that nodes do not take its revisions for those that they know.
    /// </summary>
    /// <returns>What was brought back, and what was there.</returns>
    /// <exception cref="UserError">The file is no backup, or a controller runs.</exception>
    public static RestoreReport Restore(string dataDirectory, string file, TimeProvider clock)
    {
        using DataDirectory data = DataDirectory.Lock(dataDirectory);
        string incoming = Path.Combine(dataDirectory, "restoring");
        try
        {
            DeleteFolder(incoming);
            SecretFile.CreateFolder(incoming);
            SecretFile.CreateFolder(Path.Combine(incoming, "keys"));
            DateTimeOffset madeAt = Extract(file, incoming);
            IReadOnlyList<byte[]> lists = TryInspect(data.StoreFile, RevocationLists.All) ?? [];
            SqliteStore.Rename(Path.Combine(incoming, StoreEntry), clock, change => KeepRevocations(change, lists));
            IReadOnlyList<RestoredNode>? before = TryInspect(data.StoreFile, RestoredNode.List);
            IReadOnlyList<RestoredNode> restored = SqliteStore.Inspect(Path.Combine(incoming, StoreEntry), RestoredNode.List);

            string former = Path.Combine(dataDirectory, $"before-restore-{clock.GetUtcNow():yyyyMMdd'T'HHmmss'Z'}");
            bool isFirst = !File.Exists(data.StoreFile) && !Directory.EnumerateFileSystemEntries(data.KeyFolder).Any();
            if (!isFirst)
            {
                SecretFile.CreateFolder(former);
                foreach (string part in new[] { data.StoreFile, data.StoreFile + "-wal", data.StoreFile + "-shm", data.AdministratorTokenFile }.Where(File.Exists))
                    File.Move(part, Path.Combine(former, Path.GetFileName(part)));
                Directory.Move(data.KeyFolder, Path.Combine(former, "keys"));
            }
            else
            {
                DeleteFolder(data.KeyFolder);
            }
            Directory.Move(Path.Combine(incoming, "keys"), data.KeyFolder);
            if (File.Exists(Path.Combine(incoming, TokenEntry)))
                File.Move(Path.Combine(incoming, TokenEntry), data.AdministratorTokenFile, overwrite: true);
            File.Move(Path.Combine(incoming, StoreEntry), data.StoreFile); // last: with it the restored network exists
            DeleteFolder(incoming);
            return RestoreReport.Compare(isFirst ? null : former, madeAt, restored, before);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or SqliteException)
        {
            throw new UserError($"{file} cannot be restored: {e.Message}", e);
        }
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
            using var output = new FileStream(target, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
            entry.DataStream?.CopyTo(output);
            output.Flush(flushToDisk: true);
        }
        if (!File.Exists(Path.Combine(folder, StoreEntry)))
            throw new InvalidDataException("it has no store in it.");
        return madeAt;
    }

    private static void RequireStore(string dataDirectory)
    {
        if (!DataDirectory.HasStore(dataDirectory))
            throw new UserError($"There is no controller's store in {dataDirectory}. Name the folder with --data-dir.");
    }

    private static void DeleteFolder(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
    }
}
