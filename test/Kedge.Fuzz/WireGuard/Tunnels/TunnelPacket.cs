using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Fuzz.WireGuard.Tunnels;

/// <summary>IPv4 packets that can be told apart.</summary>
internal static class TunnelPacket
{
    /// <summary>Bytes of the smallest one.</summary>
    public const int MinimumLength = 24;

    /// <summary>Makes a packet with a number inside.</summary>
    public static byte[] Make(int number, IpAddress source, IpAddress destination, int length, byte ecn)
    {
        var packet = new byte[length];
        packet.AsSpan(MinimumLength).Fill((byte)number);
        packet[0] = 0x45;
        packet[1] = ecn;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)length);
        packet[8] = 64;
        packet[9] = 17;
        source.CopyTo(packet.AsSpan(12));
        destination.CopyTo(packet.AsSpan(16));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, 20)));
        BinaryPrimitives.WriteInt32BigEndian(packet.AsSpan(20), number);
        return packet;
    }

    /// <summary>The number in a packet.</summary>
    public static int NumberOf(byte[] packet) => BinaryPrimitives.ReadInt32BigEndian(packet.AsSpan(20));
}
