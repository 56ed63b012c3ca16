using System.Globalization;
using System.Text;

namespace Kedge.Protocol.Warp;

/// <summary>
/// What socket-warp's listener sends first on the stream of each TCP connection: <c>id|host:port</c> in UTF-8, padded with zeros to 1,024 bytes.
/// The id serves its log alone.
/// </summary>
public static class LegacyCallHeader
{
    /// <summary>Bytes of the header.</summary>
    public const int Length = 1024;

    private const int MostIdBytes = 64;

    /// <summary>The header's bytes.</summary>
    /// <param name="id">What to call the connection in logs, at most 64 bytes, without <c>|</c>.</param>
    /// <param name="target">Where the connector is to connect to.</param>
    public static byte[] Write(string id, WarpTarget target)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Encoding.UTF8.GetByteCount(id), MostIdBytes);
        byte[] header = new byte[Length];
        // Its parser splits at the last colon alone, so that an address of IPv6 stands without brackets as well as with.
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}|{target}"), header);
        return header;
    }

    /// <summary>Reads a header from what a stream begins with.</summary>
    /// <param name="received">What has come; may extend beyond the header.</param>
    /// <param name="target">Where to connect to, if it is complete.</param>
    public static WarpParse Parse(ReadOnlySpan<byte> received, out WarpTarget? target)
    {
        target = null;
        if (received.Length < Length)
            return WarpParse.Incomplete;
        ReadOnlySpan<byte> text = received[..Length].TrimEnd((byte)0);
        int bar = text.IndexOf((byte)'|');
        if (bar < 0 || text[(bar + 1)..].Contains((byte)'|'))
            return WarpParse.Invalid;
        return WarpTarget.TryParse(Encoding.Latin1.GetString(text[(bar + 1)..]), out target) ? WarpParse.Complete : WarpParse.Invalid;
    }
}
