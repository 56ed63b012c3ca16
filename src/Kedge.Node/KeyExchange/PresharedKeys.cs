using System.Text;
using WireGuardKey = Kedge.Protocol.WireGuard.PublicKey;

namespace Kedge.Node.KeyExchange;

/// <summary>
/// What <c>wg show DEVICE preshared-keys</c> prints: a line a peer, with its public key, a tab, and its PSK in base64 or <c>(none)</c>.
/// </summary>
internal static class PresharedKeys
{
    /// <summary>Finds a peer's PSK.</summary>
    /// <param name="shown">What was printed.</param>
    /// <param name="peer">The peer.</param>
    /// <returns>A part of what was printed, <c>(none)</c> for no PSK; empty where the peer is not there.</returns>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> shown, WireGuardKey peer)
    {
        ReadOnlySpan<byte> name = Encoding.ASCII.GetBytes($"{peer}\t");
        foreach (Range range in shown.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = shown[range];
            if (line.StartsWith(name))
                return line[name.Length..];
        }
        return default;
    }
}
