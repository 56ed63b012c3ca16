using System.Security.Cryptography;

namespace Kedge.Protocol.Certificates;

/// <summary>
/// The zone of a network without a controller. There is one, and nobody who could name it: its identifier follows from the network's.
/// </summary>
public static class NetworkZone
{
    private static ReadOnlySpan<byte> Label => "kedge network zone 1"u8;

    /// <summary>The zone's identifier: a UUID of version 8 (RFC 9562 section 5.8), whose bits are those of a SHA-256.</summary>
    /// <param name="network">The network's identifier.</param>
    public static Guid IdOf(Sha256Digest network)
    {
        byte[] hash = SHA256.HashData([.. Label, .. network.ToArray()]);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }
}
