using System.Globalization;
using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.Protocol.WireGuard;

namespace Kedge.Commands;

/// <summary>What <c>wg</c> tells of an interface that another program, or the kernel, runs.</summary>
internal static class WgTool
{
    /// <summary>
    /// When the last handshake with each peer was; null as a value where there was none, and null for all where <c>wg</c> is not there or
    /// does not know the interface.
    /// </summary>
    public static IReadOnlyDictionary<PublicKey, DateTimeOffset?>? TryShowHandshakes(string interfaceName)
    {
        try
        {
            ProgramResult result = ExternalProgram.Run(["wg", "show", interfaceName, "latest-handshakes"]);
            return result.Succeeded ? ParseHandshakes(result.Output) : null;
        }
        catch (LinuxException)
        {
            return null;
        }
    }

    /// <summary>Reads lines of a public key, a tab, and seconds since 1970, which are 0 for no handshake.</summary>
    internal static IReadOnlyDictionary<PublicKey, DateTimeOffset?> ParseHandshakes(string shown)
    {
        var handshakes = new Dictionary<PublicKey, DateTimeOffset?>();
        foreach (string line in shown.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Split('\t') is [var key, var text]
                && PublicKey.TryParse(key, out PublicKey peer)
                && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds))
            {
                handshakes[peer] = seconds == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(seconds);
            }
        }
        return handshakes;
    }
}
