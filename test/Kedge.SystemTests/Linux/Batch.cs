using System.Buffers.Binary;
using Kedge.Linux;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

/// <summary>Packet buffers for tests.</summary>
internal static class Batch
{
    /// <summary>Empty buffers.</summary>
    public static PacketBuffer[] Of(int count) => [.. Enumerable.Range(0, count).Select(_ => new PacketBuffer())];

    /// <summary>A datagram that begins with a number.</summary>
    public static PacketBuffer Datagram(Endpoint destination, int number = 0, int length = 100)
    {
        var buffer = new PacketBuffer { Length = length, Destination = destination };
        buffer.Packet.Fill((byte)number);
        BitConverter.TryWriteBytes(buffer.Packet, number);
        return buffer;
    }

    /// <summary>A run of datagrams with numbers that follow each other, each as <see cref="Datagram"/> makes it.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="first">The first one's number.</param>
    /// <param name="count">How many.</param>
    /// <param name="size">Bytes of each.</param>
    /// <param name="last">Bytes of the last one; 0 where it is as long as the others.</param>
    public static PacketBuffer Run(Endpoint destination, int first, int count, ushort size, int last = 0)
    {
        last = last == 0 ? size : last;
        var buffer = new PacketBuffer { Length = (count - 1) * size + last, GsoSize = size, Destination = destination };
        for (int i = 0; i < count; i++)
            Datagram(default, first + i, i == count - 1 ? last : size).Packet.CopyTo(buffer.Packet[(i * size)..]);
        return buffer;
    }

    /// <summary>An IP packet of UDP, or of ICMP(v6) echo request, with all checksums.</summary>
    public static PacketBuffer IpPacket(byte protocol, Endpoint from, Endpoint to, int payloadLength)
    {
        var buffer = new PacketBuffer();
        int header = from.Address.IsIPv4 ? 20 : 40;
        buffer.Length = header + 8 + payloadLength;
        Span<byte> packet = buffer.Packet;
        packet.Clear();
        Span<byte> transport = packet[header..];
        if (from.Address.IsIPv4)
        {
            packet[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);
            packet[8] = 64;
            packet[9] = protocol;
            from.Address.CopyTo(packet[12..]);
            to.Address.CopyTo(packet[16..]);
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], Checksum(0, packet[..header]));
        }
        else
        {
            packet[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)transport.Length);
            packet[6] = protocol;
            packet[7] = 64;
            from.Address.CopyTo(packet[8..]);
            to.Address.CopyTo(packet[24..]);
        }
        if (protocol == Udp)
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport, from.Port);
            BinaryPrimitives.WriteUInt16BigEndian(transport[2..], to.Port);
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transport.Length);
        }
        else
        {
            transport[0] = protocol == Icmp ? (byte)8 : (byte)128;
        }
        // ICMP over IPv4 has no pseudo-header (RFC 792); the others do (RFC 768, RFC 8200 section 8.1).
        uint sum = protocol == Icmp ? 0 : PseudoHeaderSum(protocol, from.Address, to.Address, transport.Length);
        int field = protocol == Udp ? 6 : 2;
        BinaryPrimitives.WriteUInt16BigEndian(transport[field..], Checksum(sum, transport));
        return buffer;
    }

    /// <summary>A packet whose checksum was left to whoever reads it, completed: the field holds the pseudo-header's sum so far.</summary>
    public static byte[] Completed(Received packet)
    {
        (int start, int offset) = packet.Checksum!.Value;
        byte[] bytes = [.. packet.Bytes];
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(start + offset), Checksum(0, bytes.AsSpan(start)));
        return bytes;
    }

    /// <summary>Whether an IP packet's transport checksum, pseudo-header included, is right.</summary>
    public static bool HasRightChecksum(ReadOnlySpan<byte> packet)
    {
        bool ipv4 = packet[0] >> 4 == 4;
        (int header, int addresses, int size) = ipv4 ? (20, 12, 4) : (40, 8, 16);
        IpAddress from = IpAddress.FromBytes(packet.Slice(addresses, size)), to = IpAddress.FromBytes(packet.Slice(addresses + size, size));
        ReadOnlySpan<byte> transport = packet[header..];
        return Checksum(PseudoHeaderSum(ipv4 ? packet[9] : packet[6], from, to, transport.Length), transport) == 0;
    }

    public const byte Icmp = 1;
    public const byte Udp = 17;
    public const byte IcmpV6 = 58;

    private static uint PseudoHeaderSum(byte protocol, IpAddress from, IpAddress to, int length)
    {
        Span<byte> pseudo = stackalloc byte[40];
        int addresses = from.CopyTo(pseudo);
        addresses += to.CopyTo(pseudo[addresses..]);
        return Sum((uint)(protocol + length), pseudo[..addresses]);
    }

    private static ushort Checksum(uint sum, ReadOnlySpan<byte> bytes)
    {
        sum = Sum(sum, bytes);
        while (sum > 0xFFFF)
            sum = (sum & 0xFFFF) + (sum >> 16);
        return (ushort)~sum;
    }

    private static uint Sum(uint sum, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
            sum += (uint)bytes[i] << (i % 2 == 0 ? 8 : 0);
        return sum;
    }
}
