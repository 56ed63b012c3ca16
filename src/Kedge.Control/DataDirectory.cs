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

    /// <summary>Writes the first administrator's token down.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public void WriteAdministratorToken(string token) => SecretFile.Write(AdministratorTokenFile, Encoding.ASCII.GetBytes(token + "\n"));

    /// <summary>Notes the address that nodes are told.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public void WriteUrl(Uri url) => SecretFile.Write(UrlFileOf(Path), Encoding.ASCII.GetBytes(url.GetLeftPart(UriPartial.Authority) + "\n"));

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();
}
