using System.Buffers.Binary;
using Kedge.Linux;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Offload;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <content>Packets that are longer than the path to their peer carries, and cannot be cut as TCP can.</content>
public sealed partial class OutboundPath
{
    private const int LeastIPv6Mtu = 1280; // RFC 8200 section 5: up to here a sender need not ask

    /// <summary>
    /// Sends each of the packets in two halves where it may be fragmented, or is so short that IPv6 promises to carry it. The others are
    /// dropped, and their sender is told.
    /// </summary>
    /// <returns>How many there are.</returns>
    private int GatherTooLong(
        in SuperPacket packet, PacketBuffer buffer, PeerTunnel peer, PeerPath path, byte timeToLive, int longest, int mtu)
    {
        int count = packet.SegmentCount;
        if (!MayBeHalved(packet))
        {
            _wireGuard.Drops.Add(DropReason.TooLong, count);
            if (peer.MayTellTooLong(BootClock.Now))
                Answer(packet, buffer, packet.Ip.Version == 4 ? longest : Math.Max(longest, LeastIPv6Mtu));
            return count;
        }
        byte ecn = Ecn.Encapsulate(packet.Ip.Ecn);
        for (int i = 0; i < count; i++)
        {
            int length = packet.SegmentLength(i);
            if (length <= longest || !FragmentFrame.Fits(length, longest))
            {
                // What does not fit into two either is fragmented as a datagram.
                packet.WriteSegment(i, Place(peer, path, ecn, timeToLive, length, mtu));
                continue;
            }
            Span<byte> whole = _staged[0].Array.AsSpan(0, length);
            packet.WriteSegment(i, whole);
            uint id = peer.NextFragmentId();
            for (int half = 0; half < 2; half++)
            {
                int size = FragmentFrame.SizeOf(length, isSecond: half == 1);
                FragmentFrame.Write(whole, isSecond: half == 1, id, Place(peer, path, ecn, timeToLive, size, mtu));
            }
        }
        return count;
    }

    private static bool MayBeHalved(in SuperPacket packet)
    {
        const ushort DontFragment = 0x4000;
        return packet.Ip.Version == 4
            ? (BinaryPrimitives.ReadUInt16BigEndian(packet.Ip.Bytes[6..]) & DontFragment) == 0
            : packet.SegmentLength(0) <= LeastIPv6Mtu;
    }
}
