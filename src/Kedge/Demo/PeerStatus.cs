using System.Globalization;

namespace Kedge.Demo;

/// <summary>What <c>wg show IFACE dump</c> says about one peer of a device.</summary>
/// <param name="PublicKey">The peer's public key in base64.</param>
/// <param name="HasPresharedKey">Whether a preshared key is set.</param>
/// <param name="Endpoint">Where the peer was last seen, <c>ADDRESS:PORT</c>; null where that is not known.</param>
/// <param name="AllowedIps">The prefixes that belong to the peer, in the device's order.</param>
/// <param name="LatestHandshake">When the last handshake was, to the second; null where there was none.</param>
/// <param name="ReceivedBytes">Bytes received from the peer.</param>
/// <param name="SentBytes">Bytes sent to the peer.</param>
/// <param name="PersistentKeepalive">The interval of persistent keepalives; null where off.</param>
public sealed record PeerStatus(
    string PublicKey,
    bool HasPresharedKey,
    string? Endpoint,
    IReadOnlyList<string> AllowedIps,
    DateTimeOffset? LatestHandshake,
    long ReceivedBytes,
    long SentBytes,
    TimeSpan? PersistentKeepalive)
{
    /// <summary>Reads a peer's line of the dump: eight fields, separated by tabs.</summary>
    internal static PeerStatus Parse(string line)
    {
        string[] fields = line.Split('\t');
        long handshake = Number(fields[4]);
        return new(
            fields[0],
            fields[1] != "(none)",
            fields[2] == "(none)" ? null : fields[2],
            fields[3] == "(none)" ? [] : fields[3].Split(','),
            handshake == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(handshake),
            Number(fields[5]),
            Number(fields[6]),
            fields[7] == "off" ? null : TimeSpan.FromSeconds(Number(fields[7])));

        static long Number(string text) => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
    }
}
