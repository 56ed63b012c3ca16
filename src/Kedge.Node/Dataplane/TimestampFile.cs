using System.Globalization;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// Where the reserved timestamps of a static key are kept, one small file a public key: the external form of a TAI64N label (<c>@</c> and
/// 24 hexadecimal digits). See <see cref="TimestampSource"/> for why.
/// </summary>
public sealed class TimestampFile(string directory)
{
    /// <summary>The source for a key, which goes on where the file ends.</summary>
    /// <param name="key">The own public key.</param>
    /// <param name="failed">Told, on any thread, when the file cannot be read or written; the source works all the same.</param>
    public TimestampSource Open(PublicKey key, Action<string, Exception> failed)
    {
        // The name is the key in base64 with a file name's alphabet (RFC 4648, section 5).
        string path = Path.Combine(directory, $"timestamp-{key.ToString().Replace('/', '_').Replace('+', '-').TrimEnd('=')}");
        return new TimestampSource(Read(path, failed), reserved => Write(path, reserved, failed));
    }

    private static Tai64N Read(string path, Action<string, Exception> failed)
    {
        try
        {
            if (!PrivateFile.TryRead(path, out byte[]? bytes))
                return default;
            string text = Encoding.ASCII.GetString(bytes).Trim();
            if (text.Length != 25 || text[0] != '@')
                throw new FormatException($"'{text}' is not a TAI64N label of '@' and 24 hexadecimal digits.");
            Tai64N reserved = Tai64N.Read(Convert.FromHexString(text.AsSpan(1)));
            return reserved is { Seconds: < 1UL << 63, Nanoseconds: < 1_000_000_000 } ? reserved : throw new FormatException($"'{text}' is no time.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or LinuxException or FormatException)
        {
            failed(path, exception);
            return default;
        }
    }

    // A handshake waits for this, perhaps with a user's first packet. It must not wait for the disk, too: once the kernel has a timestamp, only
    // a power cut can still lose it, within milliseconds, and only a clock that also goes back makes that matter.
    private void Write(string path, Tai64N reserved, Action<string, Exception> failed)
    {
        Span<byte> bytes = stackalloc byte[Tai64N.Size];
        reserved.CopyTo(bytes);
        byte[] label = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"@{Convert.ToHexStringLower(bytes)}\n"));
        Attempt(path, failed, () =>
        {
            if (PrivateFile.TryOverwrite(path, label))
            {
                Task.Run(() => Attempt(path, failed, () => PrivateFile.Flush(path)));
                return;
            }
            Directory.CreateDirectory(directory);
            PrivateFile.Write(path, label);
        });
    }

    private static void Attempt(string path, Action<string, Exception> failed, Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or LinuxException)
        {
            failed(path, exception);
        }
    }
}
