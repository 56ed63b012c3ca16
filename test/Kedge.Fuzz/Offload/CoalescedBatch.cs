using Kedge.Protocol.Offload;

namespace Kedge.Fuzz.Offload;

/// <summary>A batch that went through a <see cref="Coalescer"/>, held against <see cref="SlowCoalescer"/>.</summary>
public static class CoalescedBatch
{
    private const int Gap = 16; // as the headers of messages leave between their contents
    private const byte Untouched = 0xA5;

    /// <summary>Coalesces packets, and throws where the result is not what it must be.</summary>
    /// <returns>What is to be written, with the header of each.</returns>
    /// <exception cref="InvariantException">A packet is lost, changed, out of order, joined wrongly, or alone without need.</exception>
    public static List<(byte[] Packet, VnetHeader Header)> Of(IReadOnlyList<byte[]> packets, bool udp = true)
    {
        var coalescer = new Coalescer(Math.Max(1, packets.Count), udp);
        byte[] memory = [.. packets.SelectMany(packet => (byte[])[.. Enumerable.Repeat(Untouched, Gap), .. packet])];
        byte[] before = [.. memory];
        int at = 0;
        foreach (byte[] packet in packets)
        {
            at += Gap;
            Invariant.Holds(coalescer.TryAdd(memory, at, packet.Length), "a batch that is not full takes a packet");
            at += packet.Length;
        }
        if (packets.Count > 0)
            Invariant.Holds(!coalescer.TryAdd(memory, 0, 0), "a full batch takes none");

        List<List<int>> groups = SlowCoalescer.Group(packets, udp);
        Invariant.Equal(groups.Count, coalescer.Count, "as many packets are written as cannot be avoided");
        List<(byte[], VnetHeader)> written = [];
        for (int i = 0; i < groups.Count; i++)
            written.Add(Check(coalescer, i, [.. groups[i].Select(number => packets[number])]));
        Invariant.Holds(memory.AsSpan().SequenceEqual(before), "the packets themselves are not touched");
        return written;
    }

    private static (byte[] Packet, VnetHeader Header) Check(Coalescer coalescer, int index, byte[][] packets)
    {
        CoalescedPacket coalesced = coalescer[index];
        Invariant.Equal(packets.Length, coalesced.PacketCount, "what belongs together is joined, and nothing else");
        byte[] destination = [.. Enumerable.Repeat(Untouched, coalesced.Length + Gap)];
        coalescer.Write(index, destination);
        Invariant.Holds(!destination.AsSpan(coalesced.Length).ContainsAnyExcept(Untouched), "nothing is written behind a packet");
        byte[] packet = destination[..coalesced.Length];
        if (packets.Length == 1)
        {
            ReadOnlySpan<byte> inPlace = coalesced.Array.AsSpan(coalesced.Offset, coalesced.Length);
            Invariant.Holds(inPlace.SequenceEqual(packets[0]), "a packet that joins none lies where it was");
            Invariant.Holds(packet.AsSpan().SequenceEqual(packets[0]), "a packet that joins none is written as it came");
            Invariant.Equal(default, coalesced.Header, "nothing is left to do with a packet that joins none");
            return (packet, coalesced.Header);
        }
        Invariant.Holds(packet.AsSpan().SequenceEqual(SlowCoalescer.Join(packets)), "packets are joined as their headers say");
        Invariant.Holds(coalesced.Length <= Coalescer.MaximumLength, "no packet is longer than an IP header can say");
        List<byte[]> cut = SlowSegmenter.Cut(packet, coalesced.Header)
            ?? throw new InvariantException("packet and header go together", coalesced.Header.ToString());
        Invariant.Equal(packets.Length, cut.Count, "the kernel cuts into as many packets as came");
        for (int i = 0; i < cut.Count; i++)
            Invariant.Holds(cut[i].AsSpan().SequenceEqual(packets[i]), "the kernel makes the very packets again that came");
        return (packet, coalesced.Header);
    }
}
