using System.Text;
using Kedge.Control.Pki;
using Kedge.Protocol;

namespace Kedge.Control;

/// <summary>The folder in which a controller keeps everything that it must not lose. One process a folder, as long as this is not disposed.</summary>
internal sealed class DataDirectory : IDisposable
{
    private readonly FileStream _lock;

    private DataDirectory(string path, FileStream lockFile) => (Path, _lock) = (path, lockFile);

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The store's file.</summary>
    public string StoreFile => StoreFileOf(Path);

    /// <summary>The folder of the keys and of the authorities' certificates.</summary>
    public string KeyFolder => KeyFolderOf(Path);

    /// <summary>The file with the first administrator's token.</summary>
    public string AdministratorTokenFile => AdministratorTokenFileOf(Path);

    /// <inheritdoc cref="StoreFile"/>
    public static string StoreFileOf(string path) => System.IO.Path.Combine(path, "store.db");

    /// <inheritdoc cref="KeyFolder"/>
    public static string KeyFolderOf(string path) => System.IO.Path.Combine(path, "keys");

    /// <inheritdoc cref="AdministratorTokenFile"/>
    public static string AdministratorTokenFileOf(string path) => System.IO.Path.Combine(path, "administrator.token");

    /// <summary>The file with the address that nodes are told: 'kedge login --data-dir' reads it.</summary>
    public static string UrlFileOf(string path) => System.IO.Path.Combine(path, "url");

    /// <summary>Makes the folder where there is none, claims it, and finishes a restore that was interrupted.</summary>
    /// <exception cref="UserError">It cannot be made, or another controller runs in it.</exception>
    public static DataDirectory Lock(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        SecretFile.CreateFolder(path);
        try
        {
            var file = new FileStream(System.IO.Path.Combine(path, "lock"), new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            var directory = new DataDirectory(path, file);
            try
            {
                new Restoration(path).Finish();
                SecretFile.CreateFolder(directory.KeyFolder);
                return directory;
            }
            catch
            {
                directory.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} is in use by another controller, or cannot be written: {e.Message}", e);
        }
    }

    /// <summary>
    /// Refuses a folder that has a network's keys but not its store: the controller would go on as an empty network under the same keys.
    /// The store is made before the keys, so a first start that was interrupted never leaves this.
    /// </summary>
    /// <exception cref="UserError">The store is missing or empty.</exception>
    public void RequireStoreOfKeys()
    {
        if (HasStore(Path) || !Directory.EnumerateFileSystemEntries(KeyFolder).Any())
            return;
        string problem = File.Exists(StoreFile) ? "empty" : "missing";
        throw new UserError(
            $"The keys of a network are in {KeyFolder}, but its store {StoreFile} is {problem}. Restore a backup with "
            + $"'kedge controller restore FILE', or move {KeyFolder} away to start a new network, which no present node will believe.");
    }

    /// <summary>Whether a folder has a store with something in it.</summary>
    public static bool HasStore(string path) => new FileInfo(StoreFileOf(path)) is { Exists: true, Length: > 0 };

    /// <summary>Writes the first administrator's token down.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public void WriteAdministratorToken(string token) => SecretFile.Write(AdministratorTokenFile, Encoding.ASCII.GetBytes(token + "\n"));

    /// <summary>Notes the address that nodes are told. Where it is noted already nothing is written, as the disk may be full.</summary>
    /// <exception cref="UserError">It cannot be read or written.</exception>
    public void WriteUrl(Uri url)
    {
        byte[] line = Encoding.ASCII.GetBytes(url.GetLeftPart(UriPartial.Authority) + "\n");
        try
        {
            if (File.Exists(UrlFileOf(Path)) && File.ReadAllBytes(UrlFileOf(Path)).AsSpan().SequenceEqual(line))
                return;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{UrlFileOf(Path)} cannot be read: {e.Message}", e);
        }
        SecretFile.Write(UrlFileOf(Path), line);
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();
}
