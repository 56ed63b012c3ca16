using System.Buffers.Binary;

namespace Kedge.Protocol.Stun;

/// <summary>
/// The value of the FINGERPRINT attribute (RFC 8489, section 14.7): the CRC-32 of ITU-T V.42 over the message before the attribute, whose
/// length field already counts it, combined with "STUN" in ASCII by exclusive or.
/// </summary>
internal static class Fingerprint
{
    /// <summary>Bytes of the attribute with its header.</summary>
    public const int AttributeSize = 8;

    private const uint Mask = 0x5354554E;
    private const uint Polynomial = 0xEDB88320; // V.42's, bits reversed

    private static readonly uint[] Table = MakeTable();

    /// <summary>The fingerprint of the bytes before the attribute.</summary>
    public static uint Of(ReadOnlySpan<byte> message)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in message)
            crc = Table[(byte)(crc ^ value)] ^ (crc >> 8);
        return ~crc ^ Mask;
    }

    /// <summary>Whether an attribute's value is right for the bytes before the attribute.</summary>
    public static bool IsValid(ReadOnlySpan<byte> message, ReadOnlySpan<byte> value) =>
        value.Length == sizeof(uint) && BinaryPrimitives.ReadUInt32BigEndian(value) == Of(message);

    private static uint[] MakeTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ Polynomial : crc >> 1;
            table[i] = crc;
        }
        return table;
    }
}
