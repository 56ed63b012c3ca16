using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.KeyExchange;

/// <summary>A peer that <c>wg set</c> sets, of whatever runs the interface.</summary>
/// <param name="output">Which peer, and what else <c>wg set</c> is to be told.</param>
internal sealed class WgToolPeer(WireGuardOutput output) : IWireGuardPeer
{
    private readonly string[] _line = ["wg", "set", output.Device, "peer", output.Peer.ToString(), "preshared-key", "/dev/stdin"];

    /// <inheritdoc/>
    public string Interface => output.Device;

    /// <inheritdoc/>
    public PublicKey PublicKey => output.Peer;

    /// <summary>
    /// The PSKs of an interface, as <see cref="PresharedKeys"/> reads them; the caller zeroes them. Null where they cannot be had.
    /// </summary>
    public static Memory<byte>? ShowPresharedKeys(string device)
    {
        try
        {
            ProgramResult result = ExternalProgram.Run(["wg", "show", device, "preshared-keys"]);
            return result.Succeeded ? result.OutputBytes : null;
        }
        catch (LinuxException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void SetPresharedKeyAlone(ReadOnlySpan<byte> key) => Set(_line, key);

    /// <inheritdoc/>
    public void SetPresharedKey(ReadOnlySpan<byte> key) => Set([.. _line, .. output.ExtraParams], key);

    private static void Set(string[] line, ReadOnlySpan<byte> key)
    {
        Span<byte> text = stackalloc byte[RosenpassKeyFile.Base64Size];
        RosenpassKeyFile.WriteOutputKey(key, text);
        try
        {
            ProgramResult result = ExternalProgram.Run(line, text);
            if (!result.Succeeded)
                throw new UserError($"'{string.Join(' ', line)}' {result.Failure}");
        }
        catch (LinuxException e)
        {
            string whence = e.Errno == Errno.ENOENT ? ". It is in Debian's package wireguard-tools" : "";
            throw new UserError(e.Message + whence, e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }
}
