using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Kedge.Crypto;
using Kedge.Node.Dataplane;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.WireGuard;

namespace Kedge.Commands.Admin;

/// <summary>
/// Configurations for wg-quick(8) that came over the network. wg-quick is run by root and runs the commands that stand in its files, so
/// there may be nothing in them but addresses and public keys, and a place for the private key.
/// </summary>
internal static class WgQuickFile
{
    private const string PrivateKey = "PrivateKey = ";

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
                    || IsPlace(line, out _)
                    || (line.Split('=', 2) is [var key, _] && Keys.Contains(key.Trim())));
            if (!isHarmless)
                throw new UserError(
                    $"The controller's answer has the line '{TextTable.Clean(line)}' in it, which a peer's file does not need. wg-quick runs commands "
                    + "that it finds: do not use such a file.");
        }
        return text;
    }

    /// <summary>Puts the private key in its place.</summary>
    /// <param name="text">A file that has passed, with one such place.</param>
    /// <param name="keyFile">The file with the private key, as <c>wg genkey</c> prints it.</param>
    /// <returns>The whole file, UTF-8: a secret, which the caller zeroes.</returns>
    /// <exception cref="UserError">The key file cannot be read, or the key in it is another one than the file is for.</exception>
    public static byte[] Fill(string text, string keyFile)
    {
        text = string.Join('\n', text.Split('\n').Where(line => !PrivateKeyPlaceholder.IsHint(line)));
        string[] places = [.. text.Split('\n').Where(line => IsPlace(line, out _))];
        if (places is not [var place] || !IsPlace(place, out PublicKey wanted))
            throw new UserError($"The controller's answer has {places.Length} places for a private key, but one is needed.");
        byte[] key = PrivateKeyFile.Read(keyFile);
        try
        {
            Span<byte> own = stackalloc byte[PublicKey.Size];
            X25519.PublicKey(key, own);
            if (PublicKey.FromBytes(own) != wanted)
            {
                throw new UserError(
                    $"{keyFile} has the private key of {PublicKey.FromBytes(own)}, but this node has the WireGuard key {wanted}: name the file "
                    + "with the private key of that one.");
            }
            int at = text.IndexOf(place, StringComparison.Ordinal);
            byte[] before = Encoding.UTF8.GetBytes(text[..at] + PrivateKey), after = Encoding.UTF8.GetBytes(text[(at + place.Length)..]);
            int length = before.Length + Base64.GetMaxEncodedToUtf8Length(key.Length) + after.Length;
            byte[] filled = GC.AllocateArray<byte>(length, pinned: true);
            before.CopyTo(filled, 0);
            Base64.EncodeToUtf8(key, filled.AsSpan(before.Length), out _, out int written);
            after.CopyTo(filled, before.Length + written);
            return filled;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static bool IsPlace(string line, out PublicKey key)
    {
        key = default;
        return line.StartsWith(PrivateKey, StringComparison.Ordinal)
            && PrivateKeyPlaceholder.TryParse(line.AsSpan(PrivateKey.Length), out key);
    }
}
