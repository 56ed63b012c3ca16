using Kedge.Protocol;

namespace Kedge.Commands.Admin;

/// <summary>
/// Configurations for wg-quick(8) that came over the network. wg-quick is run by root and runs the commands that stand in its files, so
/// there may be nothing in them but addresses and keys.
/// </summary>
internal static class WgQuickFile
{
    private static readonly string[] Keys = ["Address", "ListenPort", "MTU", "PublicKey", "AllowedIPs", "Endpoint", "PersistentKeepalive"];

    /// <summary>Lets a file pass that is harmless.</summary>
    /// <exception cref="UserError">There is something else in it.</exception>
    public static string Check(string text)
    {
        foreach (string line in text.ReplaceLineEndings("\n").Split('\n'))
        {
            bool isHarmless = !line.Any(char.IsControl)
                && (line.Trim() is "" or "[Interface]" or "[Peer]"
                    || line.StartsWith('#')
                    || (line.Split('=', 2) is [var key, _] && Keys.Contains(key.Trim())));
            if (!isHarmless)
                throw new UserError(
                    $"The controller's answer has the line '{TextTable.Clean(line)}' in it, which a peer's file does not need. wg-quick runs commands "
                    + "that it finds: do not use such a file.");
        }
        return text;
    }
}
