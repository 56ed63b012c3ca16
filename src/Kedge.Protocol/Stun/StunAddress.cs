using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Stun;

/// <summary>Addresses inside STUN attributes (RFC 8489, sections 14.1 and 14.2).</summary>
internal static class StunAddress
{
    public const byte IPv4Family = 1;
    public const byte IPv6Family = 2;

    /// <summary>
    /// Turns a port and an address, as they follow each other in an attribute, into what XOR-MAPPED-ADDRESS carries, or back: the port by
    /// exclusive or with the upper half of the magic cookie, the address with the cookie and the transaction identifier.
    /// </summary>
    /// <param name="portAndAddress">2 and 4 or 16 bytes.</param>
    /// <param name="id">The identifier of the message.</param>
    public static void Disguise(Span<byte> portAndAddress, StunTransactionId id)
    {
        Span<byte> mask = stackalloc byte[4 + StunTransactionId.Size];
        BinaryPrimitives.WriteUInt32BigEndian(mask, StunMessage.MagicCookie);
        id.CopyTo(mask[4..]);
        portAndAddress[0] ^= mask[0];
        portAndAddress[1] ^= mask[1];
        for (int i = 2; i < portAndAddress.Length; i++)
            portAndAddress[i] ^= mask[i - 2];
    }

    /// <summary>Whether an address is one that a single machine can have.</summary>
    public static bool IsUnicast(IpAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        int size = address.CopyTo(bytes);
        return size == 4
            ? bytes[0] is not 0 and < 224
            : size == 16 && bytes[0] != 0xFF && bytes.ContainsAnyExcept((byte)0);
    }
}
