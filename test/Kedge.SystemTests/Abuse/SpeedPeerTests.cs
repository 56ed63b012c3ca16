using System.Buffers.Binary;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Linux;

namespace Kedge.SystemTests.Abuse;

/// <summary>What one peer can send inside its own tunnel while a stream through that of another one takes all that the machine has.</summary>
[Collection(BusyTunnelTests.Name)]
public class SpeedPeerTests(BusyTunnel tunnel)
{
    private const int Count = 100_000;
    private const int FragmentPayload = 1280;

    [Fact]
    public void A_peer_that_sends_again_what_it_has_sent()
    {
        using var rogue = new RoguePeer(tunnel.Attacker, tunnel.Victim.Device, tunnel.Target);
        long accepted = 0;
        int sent = 0, again = 0;

        Dictionary<string, long> counted = tunnel.Withstand(_ =>
        {
            sent = rogue.Send(Enumerable.Repeat(Packet(1300), 2000));
            accepted = tunnel.AcceptedFrom(rogue);
            while (again < Count)
                again += rogue.SendAgain();
        });

        Assert.True(counted["Replayed"] > again / 20, $"{counted["Replayed"]} of {again} copies were taken for such");
        Assert.InRange(tunnel.AcceptedFrom(rogue) - accepted, 0, sent * 1400L - accepted);
    }

    [Fact]
    public void A_peer_that_sends_nothing_but_fragments()
    {
        using var rogue = new RoguePeer(tunnel.Attacker, tunnel.Victim.Device, tunnel.Target);
        byte[] packet = Packet(20 + FragmentPayload);
        IEnumerable<byte[]> fragments = Enumerable.Range(0, Count).Select(i => Fragment(packet, number: i / 40, position: i % 40));

        Dictionary<string, long> counted = tunnel.Withstand(_ => rogue.Send(fragments));

        Assert.True(tunnel.AcceptedFrom(rogue) > Count / 20 * 1320L, $"{tunnel.AcceptedFrom(rogue)} bytes were accepted");
        Assert.Equal(0, counted["MalformedInnerPacket"]);
        Assert.Equal(0, counted["NotAuthentic"]);
    }

    [Fact]
    public void A_peer_that_sends_the_shortest_and_the_longest_packets()
    {
        using var rogue = new RoguePeer(tunnel.Attacker, tunnel.Victim.Device, tunnel.Target);
        byte[] bare = Packet(20), longest = Packet(RoguePeer.LongestPacket);
        IEnumerable<byte[]> packets =
        [
            .. Enumerable.Repeat(Array.Empty<byte>(), Count / 4), .. Enumerable.Repeat((byte[])[0x45], Count / 4),
            .. Enumerable.Repeat(bare, Count / 4), .. Enumerable.Repeat(bare[..19], Count / 4), .. Enumerable.Repeat(longest, 2000),
        ];

        Dictionary<string, long> counted = tunnel.Withstand(_ => rogue.Send(packets));

        // An empty one is a keepalive; a header alone is a packet; what is shorter is neither.
        Assert.InRange(counted["MalformedInnerPacket"], Count / 40, Count / 2);
        Assert.Equal(0, counted["SourceNotAllowed"]);
        Assert.Equal(0, counted["NotAuthentic"]);
    }

    /// <summary>An IPv4 packet from the rogue peer, UDP to a port that nobody has, or a header alone.</summary>
    private static byte[] Packet(int length)
    {
        Endpoint from = new(IpAddress.Parse(RoguePeer.Address), 1), to = new(IpAddress.Parse("10.77.0.1"), 9);
        byte[] packet = Batch.IpPacket(Batch.Udp, from, to, Math.Max(0, length - 28)).Packet.ToArray();
        if (length >= 28)
            return packet;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)length);
        return WithHeaderChecksum(packet[..length]);
    }

    /// <summary>Makes of a packet one of many fragments that have no end: the last one never comes.</summary>
    private static byte[] Fragment(byte[] packet, int number, int position)
    {
        const int MoreFragments = 0x2000;
        byte[] fragment = [.. packet];
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(4), (ushort)number);
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(6), (ushort)(MoreFragments | position * FragmentPayload / 8));
        return WithHeaderChecksum(fragment);
    }

    private static byte[] WithHeaderChecksum(byte[] packet)
    {
        packet.AsSpan(10, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, 20)));
        return packet;
    }
}
