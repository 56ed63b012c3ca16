using Kedge.Protocol.Offload;

namespace Kedge.Fuzz.Offload;

/// <summary>
/// Cuts a packet as Linux does (<c>tcp_gso_segment</c>, <c>__udp_gso_segment</c>, <c>skb_checksum_help</c>), a segment at a time and from
/// nothing but its bytes. All checksums are computed anew; if one was wrong in the packet, it is wrong by as much in each segment.
/// </summary>
public static class SlowSegmenter
{
    /// <summary>The segments; null where packet and header do not go together.</summary>
    public static List<byte[]>? Cut(byte[] packet, VnetHeader header)
    {
        if (IpLength(packet) is not { } ipHeader || packet.Length > 65535)
            return null;
        int start = header.ChecksumStart, field = start + header.ChecksumOffset;
        if (header.NeedsChecksum && (start < ipHeader || field + 2 > packet.Length))
            return null;
        if (header.GsoType == GsoType.None)
            return [header.NeedsChecksum ? Completed(packet, start, field) : packet];

        bool isUdp = header.GsoType == GsoType.Udp;
        bool isIPv4 = packet[0] >> 4 == 4;
        bool fits = header.GsoType switch { GsoType.TcpV4 => isIPv4, GsoType.TcpV6 => !isIPv4, GsoType.Udp => true, _ => false };
        if (!fits || !header.NeedsChecksum || header.GsoSize == 0 || TransportOf(packet, isUdp ? 17 : 6) != start)
            return null;
        if (field != SlowChecksum.FieldOf(start, isUdp) || packet.Length < start + (isUdp ? 8 : 20))
            return null;
        int headers = start + (isUdp ? 8 : (packet[start + 12] >> 4) * 4);
        bool lengthIsRight = isUdp ? SlowChecksum.Load(packet, start + 4) == packet.Length - start : headers >= start + 20;
        return lengthIsRight && headers <= packet.Length ? Cut(packet, header.GsoSize, start, headers, isUdp) : null;
    }

    private static List<byte[]> Cut(byte[] packet, int size, int start, int headers, bool isUdp)
    {
        int field = SlowChecksum.FieldOf(start, isUdp);
        int ipError = packet[0] >> 4 == 4 ? SlowChecksum.Sum(packet[..((packet[0] & 15) * 4)]) : 65535;
        int error = SlowChecksum.Load(packet, field) + 65535 - SlowChecksum.Sum(SlowChecksum.PseudoHeader(packet, start, isUdp));
        List<byte[]> segments = [];
        byte[][] payloads = [.. packet[headers..].Chunk(size)];
        for (int i = 0; i < Math.Max(1, payloads.Length); i++)
        {
            byte[] segment = [.. packet[..headers], .. payloads.Length == 0 ? [] : payloads[i]];
            if (packet[0] >> 4 == 4)
            {
                SlowChecksum.Store(segment, 2, segment.Length);
                SlowChecksum.Store(segment, 4, SlowChecksum.Load(packet, 4) + i);
                SlowChecksum.Store(segment, 10, 0);
                int sum = SlowChecksum.Sum(segment[..((packet[0] & 15) * 4)], initial: 65535 - ipError);
                SlowChecksum.Store(segment, 10, payloads.Length > 1 ? 65535 - sum : SlowChecksum.Load(packet, 10));
            }
            else
                SlowChecksum.Store(segment, 4, segment.Length - 40);
            if (isUdp)
                SlowChecksum.Store(segment, start + 4, segment.Length - start);
            else
                CorrectTcp(segment, start, i * size, isFirst: i == 0, isLast: i >= payloads.Length - 1);
            SlowChecksum.Store(segment, field, 0);
            int checksum = 65535 - SlowChecksum.Sum([.. SlowChecksum.PseudoHeader(segment, start, isUdp), .. segment[start..]], error);
            SlowChecksum.Store(segment, field, isUdp && checksum == 0 ? 65535 : checksum);
            segments.Add(segment);
        }
        return segments;
    }

    private static void CorrectTcp(byte[] segment, int start, int payloadBefore, bool isFirst, bool isLast)
    {
        long sequence = ((long)SlowChecksum.Load(segment, start + 4) << 16) + SlowChecksum.Load(segment, start + 6) + payloadBefore;
        SlowChecksum.Store(segment, start + 4, (int)(sequence >> 16));
        SlowChecksum.Store(segment, start + 6, (int)(sequence & 0xFFFF));
        if (!isFirst)
            segment[start + 13] &= 0b0111_1111; // CWR
        if (!isLast)
            segment[start + 13] &= 0b1111_0110; // PSH and FIN
    }

    private static byte[] Completed(byte[] packet, int start, int field)
    {
        byte[] completed = [.. packet];
        int checksum = 65535 - SlowChecksum.Sum(packet[start..]);
        SlowChecksum.Store(completed, field, checksum == 0 && field - start == 6 ? 65535 : checksum);
        return completed;
    }

    /// <summary>Bytes of the IP header of a packet that is as long as it says; null for others.</summary>
    private static int? IpLength(byte[] packet)
    {
        if (packet.Length >= 40 && packet[0] >> 4 == 6)
            return 40 + SlowChecksum.Load(packet, 4) == packet.Length ? 40 : null;
        if (packet.Length < 20 || packet[0] >> 4 != 4 || SlowChecksum.Load(packet, 2) != packet.Length)
            return null;
        int header = (packet[0] & 15) * 4;
        return header >= 20 && header <= packet.Length ? header : null;
    }

    /// <summary>Where the header of a protocol is; null where it is not there, or in a fragment.</summary>
    private static int? TransportOf(byte[] packet, int protocol)
    {
        if (packet[0] >> 4 == 4)
            return packet[9] == protocol && SlowChecksum.Load(packet, 6) % 0x4000 == 0 ? (packet[0] & 15) * 4 : null;
        (int next, int at) = (packet[6], 40);
        while (new[] { 0, 43, 60 }.Contains(next))
        {
            if (at + 8 > packet.Length)
                return null;
            (next, at) = (packet[at], at + 8 + 8 * packet[at + 1]);
        }
        return next == protocol ? at : null;
    }
}
