using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.KeyExchange;

/// <summary>
/// When keys were last exchanged with the peers of a WireGuard interface, for <c>kedge status</c>: a file a peer, below
/// <c>/run/kedge/INTERFACE/exchanges</c>, of the process that exchanges keys with it. The file of a process that was killed stays, and says
/// how old the key is all the same, as it counts by the boot clock. No secret is in it.
/// </summary>
/// <param name="runDirectory">The folder of all interfaces.</param>
/// <param name="interfaceName">The interface.</param>
public sealed class ExchangeFolder(string runDirectory, string interfaceName)
{
    private const string Never = "never";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _parent = Path.Combine(runDirectory, interfaceName);

    private string Folder => Path.Combine(_parent, "exchanges");

    /// <summary>Keeps when a key was last exchanged with a peer.</summary>
    /// <param name="peer">The peer's public key of WireGuard.</param>
    /// <param name="lastExchange">When, by the boot clock; null for not yet.</param>
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

    /// <summary>Deletes what was kept about a peer, and the folder with the last one. Does nothing where that fails.</summary>
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
            // Another file is in it, or nothing was ever written.
        }
    }

    /// <summary>When a key was last exchanged with each peer that keys are exchanged with; null for not yet.</summary>
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
