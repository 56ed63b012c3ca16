using Kedge.Protocol.Offload;

namespace Kedge.Fuzz.Offload;

/// <summary>
/// Says which packets of a batch belong together, from the rule itself: a packet joins a group when cutting the group with it brings back
/// every packet of it, byte by byte, and nothing of its flow has come in between.
/// </summary>
public static class SlowCoalescer
{
    /// <summary>How many flows are remembered; the first to come is the first to go.</summary>
    public const int MaximumFlows = 16;

    /// <summary>The numbers of the packets of each group, in the order of the groups' first packets.</summary>
    public static List<List<int>> Group(IReadOnlyList<byte[]> packets, bool udp)
    {
        List<List<int>> groups = [];
        List<(string Flow, List<int>? Open)> flows = [];
        for (int i = 0; i < packets.Count; i++)
        {
            byte[] packet = packets[i];
            if (IsOther(packet, udp))
            {
                groups.Add([i]);
                continue;
            }
            if (FlowOf(packet) is not { } flow)
            {
                groups.Add([i]);
                flows.Clear();
                continue;
            }
            int known = flows.FindIndex(entry => entry.Flow == flow);
            if (known >= 0 && flows[known].Open is { } open && MayJoin(packets, open, packet))
            {
                open.Add(i);
                if (EndsGroup(packet, packets[open[0]]))
                    flows[known] = (flow, null);
                continue;
            }
            List<int> group = [i];
            groups.Add(group);
            if (IsPlain(packet) && !EndsGroup(packet, packet))
            {
                if (known >= 0)
                    flows[known] = (flow, group);
                else
                    flows.Add((flow, group));
                if (flows.Count > MaximumFlows)
                    flows.RemoveAt(0);
            }
            else if (known >= 0)
                flows[known] = (flow, null);
        }
        return groups;
    }

    /// <summary>The one packet that stands for several, checksum begun, made of them without looking at what they have in common.</summary>
    public static byte[] Join(IReadOnlyList<byte[]> packets)
    {
        byte[] first = packets[0];
        (int transport, int payload, bool isUdp) = Layout(first);
        byte[] joined = [.. first[..payload], .. packets.SelectMany(packet => packet[payload..])];
        if (first[0] >> 4 == 4)
            SlowChecksum.Store(joined, 2, joined.Length);
        else
            SlowChecksum.Store(joined, 4, joined.Length - 40);
        if (isUdp)
            SlowChecksum.Store(joined, transport + 4, joined.Length - transport);
        else
            joined[transport + 13] = packets[^1][transport + 13];
        SlowChecksum.RepairIPv4(joined);
        SlowChecksum.Begin(joined, transport, isUdp);
        return joined;
    }

    /// <summary>Neither TCP nor UDP that is joined, for sure.</summary>
    private static bool IsOther(byte[] packet, bool udp)
    {
        if (!IsWhole(packet))
            return false;
        int protocol = packet[0] >> 4 == 4 ? packet[9] : packet[6];
        return (protocol == 17 && !udp) || (packet[0] >> 4 == 4 ? protocol is not (6 or 17) : protocol == 58);
    }

    private static bool IsWhole(byte[] packet) =>
        packet.Length >= 20 && packet[0] >> 4 == 4
            ? SlowChecksum.Load(packet, 2) == packet.Length && (packet[0] & 15) >= 5 && (packet[0] & 15) * 4 <= packet.Length
            : packet.Length >= 40 && packet[0] >> 4 == 6 && 40 + SlowChecksum.Load(packet, 4) == packet.Length;

    /// <summary>Protocol, addresses and ports; null where they are not in their usual places.</summary>
    private static string? FlowOf(byte[] packet)
    {
        if (!IsWhole(packet))
            return null;
        bool isIPv4 = packet[0] >> 4 == 4;
        if (isIPv4 && (packet[0] != 0x45 || (SlowChecksum.Load(packet, 6) | 0x4000) != 0x4000))
            return null;
        (int transport, int protocol) = isIPv4 ? (20, packet[9]) : (40, packet[6]);
        if (protocol is not (6 or 17) || packet.Length < transport + (protocol == 6 ? 20 : 8))
            return null;
        byte[] addresses = isIPv4 ? packet[12..20] : packet[8..40];
        return $"{protocol} {Convert.ToHexString(addresses)} {Convert.ToHexString(packet[transport..(transport + 4)])}";
    }

    private static (int Transport, int Payload, bool IsUdp) Layout(byte[] packet)
    {
        int transport = packet[0] >> 4 == 4 ? 20 : 40;
        bool isUdp = packet[0] >> 4 == 4 ? packet[9] == 17 : packet[6] == 17;
        return (transport, transport + (isUdp ? 8 : (packet[transport + 12] >> 4) * 4), isUdp);
    }

    /// <summary>Whether a packet with a flow is of the kind that may be joined with others at all.</summary>
    private static bool IsPlain(byte[] packet)
    {
        (int transport, int payload, bool isUdp) = Layout(packet);
        if (payload < transport + 8 || payload >= packet.Length)
            return false;
        bool isPlain = isUdp
            ? SlowChecksum.Load(packet, transport + 4) == packet.Length - transport && SlowChecksum.Load(packet, transport + 6) != 0
            : packet[transport + 12] % 16 == 0 && packet[transport + 13] is 0x10 or 0x18 && payload >= transport + 20;
        byte[] right = [.. packet];
        SlowChecksum.Repair(right, transport, isUdp);
        return isPlain && packet.SequenceEqual(right);
    }

    private static bool EndsGroup(byte[] packet, byte[] first)
    {
        (int transport, _, bool isUdp) = Layout(packet);
        return packet.Length < first.Length || (!isUdp && (packet[transport + 13] & 8) != 0);
    }

    private static bool MayJoin(IReadOnlyList<byte[]> packets, List<int> group, byte[] packet)
    {
        List<byte[]> members = [.. group.Select(i => packets[i]), packet];
        byte[] first = members[0];
        (int transport, int payload, bool isUdp) = Layout(first);
        if (!IsPlain(packet) || Layout(packet).Payload != payload || members.Sum(member => member.Length - payload) + payload > 65535)
            return false;
        byte[] joined = Join(members);
        return SlowSegmenter.Cut(joined, HeaderOf(first, transport, payload, isUdp)) is { } cut
            && cut.Count == members.Count && cut.Zip(members).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));
    }

    private static VnetHeader HeaderOf(byte[] first, int transport, int payload, bool isUdp) => new()
    {
        GsoType = isUdp ? GsoType.Udp
            : first[0] >> 4 == 4 ? GsoType.TcpV4 : GsoType.TcpV6,
        GsoSize = (ushort)(first.Length - payload),
        NeedsChecksum = true,
        ChecksumStart = (ushort)transport,
        ChecksumOffset = (ushort)(isUdp ? 6 : 16),
    };
}
