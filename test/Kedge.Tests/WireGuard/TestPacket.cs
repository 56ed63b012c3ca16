using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.WireGuard;

/// <summary>IP packets for tests: of any length, and with a number inside by which they are known again.</summary>
internal static class TestPacket
{
    /// <summary>Bytes of the shortest packet that has room for its number, in both families.</summary>
    public const int MinimumLength = 48;

    /// <summary>Makes a UDP-like packet; the addresses decide the family.</summary>
    public static byte[] Make(IpAddress source, IpAddress destination, ulong number = 0, int length = 100, byte ecn = 0)
    {
        Assert.Equal(source.Size, destination.Size);
        Assert.True(length >= MinimumLength);
        var packet = new byte[length];
        for (int i = MinimumLength; i < length; i++)
            packet[i] = (byte)(number + (ulong)i);
        if (source.IsIPv4)
        {
            packet[0] = 0x45;
            packet[1] = ecn;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)length);
            packet[8] = 64;
            packet[9] = 17;
            source.CopyTo(packet.AsSpan(12));
            destination.CopyTo(packet.AsSpan(16));
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, 20)));
        }
        else
        {
            packet[0] = 0x60;
            packet[1] = (byte)(ecn << 4);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(length - 40));
            packet[6] = 17;
            packet[7] = 64;
            source.CopyTo(packet.AsSpan(8));
            destination.CopyTo(packet.AsSpan(24));
        }
        BinaryPrimitives.WriteUInt64BigEndian(packet.AsSpan(MinimumLength - 8), number);
        return packet;
    }

    /// <summary>The number in a packet.</summary>
    public static ulong Number(ReadOnlySpan<byte> packet) => BinaryPrimitives.ReadUInt64BigEndian(packet[(MinimumLength - 8)..]);
}
