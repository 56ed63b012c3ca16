using Kedge.Protocol.Offload;

namespace Kedge.Fuzz.Offload;

/// <summary>
/// Flows that go on as they should, packet by packet, until something happens to them, and the packets between them, through a
/// <see cref="Coalescer"/> and <see cref="SlowCoalescer"/>.
/// </summary>
public sealed class CoalescerTarget : Target
{
    private const int Flows = 24; // more than are remembered
    private const int PayloadSize = 8;

    public override string Name => "coalescer";

    public override int MaximumLength => 160;

    public override int ShortRun => 400;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        bool udp = !reader.Flag();
        var flows = new InnerPacket[Flows];
        for (int i = 0; i < Flows; i++)
            flows[i] = new InnerPacket { IsIPv6 = i % 2 == 1, IsUdp = i % 4 >= 2, SourcePort = (ushort)(1000 + i) };
        List<byte[]> packets = [];
        while (!reader.IsEmpty && packets.Count < 100)
        {
            int flow = reader.Pick(Flows), happening = reader.Pick(48);
            int size = happening switch
            {
                1 => PayloadSize - 1,
                2 => PayloadSize + 1,
                3 => 0,
                4 when reader.Pick(8) == 0 => 32_700,
                _ => PayloadSize,
            };
            InnerPacket packet = Happen(flows[flow], happening) with { Payload = Payload(size, packets.Count) };
            packets.Add(Spoil(packet, happening, ref reader));
            flows[flow] = packet with
            {
                Flags = 0x10,
                Fragment = 0x4000,
                Reserved = 0,
                IPv4Options = [],
                ExtensionHeaders = 0,
                SequenceNumber = packet.SequenceNumber + (uint)size,
                Identification = (ushort)(packet.Identification + 1),
            };
            trace.Note(1, happening);
        }
        List<(byte[] Packet, VnetHeader Header)> written = CoalescedBatch.Of(packets, udp);
        foreach ((_, VnetHeader header) in written)
            trace.Note(2, (int)header.GsoType);
        trace.Note(3, packets.Count - written.Count);
    }

    // The next packet of a flow, or one that is almost that. Some changes stay for the packets that follow.
    private static InnerPacket Happen(InnerPacket flow, int happening) => happening switch
    {
        5 => flow with { Flags = 0x18 },
        6 => flow with { Flags = 0x11 },
        7 => flow with { Flags = 0x90 },
        8 => flow with { Flags = 0x50 },
        9 => flow with { Flags = 0x30, UrgentPointer = 1 },
        10 => flow with { Flags = 0x02 },
        11 => flow with { Reserved = 1 },
        12 => flow with { SequenceNumber = flow.SequenceNumber + 1 },
        13 => flow with { SequenceNumber = flow.SequenceNumber - PayloadSize },
        14 => flow with { SequenceNumber = uint.MaxValue - PayloadSize },
        15 => flow with { Identification = (ushort)(flow.Identification + 1) },
        16 => flow with { Identification = ushort.MaxValue },
        17 => flow with { Identification = (ushort)(flow.Identification - 1) },
        18 => flow with { AcknowledgmentNumber = flow.AcknowledgmentNumber + 1 },
        19 => flow with { Window = (ushort)(flow.Window ^ 1) },
        20 => flow with { TrafficClass = (byte)(flow.TrafficClass ^ 3) },
        21 => flow with { TrafficClass = (byte)(flow.TrafficClass ^ 4) },
        22 => flow with { HopLimit = (byte)(flow.HopLimit ^ 1) },
        23 => flow with { FlowLabel = flow.FlowLabel ^ 1 },
        24 => flow with { Fragment = 0 },
        25 => flow with { Fragment = 0x2000 },
        26 => flow with { Fragment = 0x0001 },
        27 => flow with { Fragment = 0xC000 },
        28 => flow with { TcpOptions = [1, 1, 8, 10, 0, 0, 0, flow.HopLimit, 0, 0, 0, 1] },
        29 => flow with { TcpOptions = [1, 1, 1, 1] },
        30 => flow with { IPv4Options = [1, 1, 1, 0] },
        31 => flow with { ExtensionHeaders = 1 },
        32 => flow with { Host = (byte)(flow.Host ^ 1) },
        33 => flow with { DestinationPort = (ushort)(flow.DestinationPort ^ 1) },
        34 => flow with { UrgentPointer = 7 },
        _ => flow,
    };

    private static byte[] Spoil(InnerPacket inner, int happening, ref Input reader)
    {
        byte[] packet = inner.ToBytes();
        switch (happening)
        {
            case 35 or 36:
                packet[reader.Byte() % packet.Length] ^= (byte)(reader.Byte() | 1);
                break;
            case 37 when !inner.IsIPv6:
                packet[10] ^= 1;
                break;
            case 38 when inner.IsUdp:
                SlowChecksum.Store(packet, SlowChecksum.FieldOf(inner.TransportOffset, isUdp: true), 0);
                break;
            case 39:
                packet[inner.IsIPv6 ? 6 : 9] = inner.IsIPv6 ? (byte)58 : (byte)1;
                SlowChecksum.RepairIPv4(packet);
                break;
            case 40:
                packet[inner.IsIPv6 ? 6 : 9] = 60;
                SlowChecksum.RepairIPv4(packet);
                break;
            case 41:
                return packet[..(reader.Byte() % packet.Length)];
            case 42: // the same bytes, but all ones where the checksum comes out as zero
                int field = SlowChecksum.FieldOf(inner.TransportOffset, inner.IsUdp), payload = inner.HeaderLength;
                int zeroed = SlowChecksum.Sum(packet[payload..(payload + 2)], initial: SlowChecksum.Load(packet, field));
                SlowChecksum.Store(packet, payload, zeroed);
                SlowChecksum.Repair(packet, inner.TransportOffset, inner.IsUdp);
                SlowChecksum.Store(packet, field, 0xFFFF);
                break;
        }
        return packet;
    }

    private static byte[] Payload(int size, int serial)
    {
        var payload = new byte[size];
        payload.AsSpan().Fill((byte)serial);
        return payload;
    }
}
