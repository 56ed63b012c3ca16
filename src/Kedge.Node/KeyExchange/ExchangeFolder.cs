using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.KeyExchange;

/// <summary>
/// The times at which keys were last exchanged with the peers of a WireGuard interface, for <c>kedge status</c>: one file per peer below
/// <c>/run/kedge/INTERFACE/exchanges</c>, written by the process that exchanges the keys. If that process is killed its files stay, and
/// still tell the age of the keys, because times are of the boot clock. The files hold no secret.
/// </summary>
/// <param name="runDirectory">The folder of all interfaces.</param>
/// <param name="interfaceName">The interface.</param>
public sealed class ExchangeFolder(string runDirectory, string interfaceName)
{
    private const string Never = "never";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _parent = Path.Combine(runDirectory, interfaceName);

    private string Folder => Path.Combine(_parent, "exchanges");

    /// <summary>Records the last exchange with a peer.</summary>
    /// <param name="peer">The peer's public key of WireGuard.</param>
    /// <param name="lastExchange">Its time by the boot clock; null if there was none yet.</param>
    /// <exception cref="LinuxException">The file cannot be written.</exception>
    /// <exception cref="IOException">The folder cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be made.</exception>
    public void Write(PublicKey peer, Instant? lastExchange)
    {
        Directory.CreateDirectory(runDirectory);
        Directory.CreateDirectory(_parent, OwnerOnly);
        Directory.CreateDirectory(Folder, OwnerOnly);
        string text = lastExchange?.Ticks.ToString(CultureInfo.InvariantCulture) ?? Never;
        PrivateFile.Write(FileOf(peer), Encoding.ASCII.GetBytes(text + "\n"));
    }

    /// <summary>Deletes the record of a peer, and the folder once it is empty. Ignores failures.</summary>
    public void Delete(PublicKey peer)
    {
        try
        {
            File.Delete(FileOf(peer));
            Directory.Delete(Folder);
            Directory.Delete(_parent);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The folder holds other records, or nothing was ever written.
        }
    }

    /// <summary>The time of the last exchange with each recorded peer; null if there was none yet.</summary>
    /// <exception cref="UserError">The folder may not be read.</exception>
    public IReadOnlyDictionary<PublicKey, Instant?> Read()
    {
        var exchanges = new Dictionary<PublicKey, Instant?>();
        try
        {
            foreach (string file in Directory.Exists(Folder) ? Directory.GetFiles(Folder) : [])
            {
                if (!TryReadName(Path.GetFileName(file), out PublicKey peer) || !PrivateFile.TryRead(file, out byte[]? contents))
                    continue;
                bool isTime = long.TryParse(Encoding.ASCII.GetString(contents), CultureInfo.InvariantCulture, out long ticks);
                exchanges[peer] = isTime ? new Instant(ticks) : null;
            }
        }
        catch (DirectoryNotFoundException)
        {
            // The process has just ended.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new UserError($"{Folder} cannot be read: {e.Message} Only root may see it.", e);
        }
        return exchanges;
    }

    private string FileOf(PublicKey peer) => Path.Combine(Folder, Base64Url.EncodeToString(peer.ToArray()));

    private static bool TryReadName(string name, out PublicKey peer)
    {
        Span<byte> key = stackalloc byte[PublicKey.Size];
        bool isKey = Base64Url.IsValid(name, out int length) && length == PublicKey.Size && Base64Url.TryDecodeFromChars(name, key, out _);
        peer = isKey ? PublicKey.FromBytes(key) : default;
        return isKey;
    }
}
