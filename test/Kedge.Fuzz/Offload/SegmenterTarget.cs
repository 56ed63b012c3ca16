using System.Buffers.Binary;
using Kedge.Protocol.Offload;

namespace Kedge.Fuzz.Offload;

/// <summary>
/// What a TUN device hands out, from packets that are right to plain bytes, cut by <see cref="SuperPacket"/> and by
/// <see cref="SlowSegmenter"/>.
/// </summary>
public sealed class SegmenterTarget : Target
{
    private const byte Untouched = 0xA5;

    public override string Name => "segmenter";

    public override int MaximumLength => 200;

    public override int ShortRun => 20_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        (byte[] packet, VnetHeader header) = reader.Flag() ? Plain(ref reader) : Forged(ref reader);
        List<byte[]>? expected = SlowSegmenter.Cut(packet, header);
        bool accepted = SuperPacket.TryParse(packet, header, out SuperPacket superPacket);
        trace.Note(1, accepted ? Math.Min(superPacket.SegmentCount, 3) : 0);
        trace.Note(2, ((int)header.GsoType << 1) | (header.NeedsChecksum ? 1 : 0));
        trace.Note(3, packet.Length == 0 ? 0 : packet[0]);
        Invariant.Equal(expected is not null, accepted, "a packet is accepted exactly when its header goes with it");
        if (expected is null)
            return;

        Invariant.Equal(expected.Count, superPacket.SegmentCount, "there are as many segments as the payload fills");
        Invariant.Equal(expected.Max(segment => segment.Length), superPacket.SegmentLength(0), "the first segment is the longest");
        var destination = new byte[superPacket.SegmentLength(0) + 1];
        for (int i = 0; i < expected.Count; i++)
        {
            destination.AsSpan().Fill(Untouched);
            superPacket.WriteSegment(i, destination);
            int length = superPacket.SegmentLength(i);
            string written = Convert.ToHexString(destination, 0, length);
            Invariant.Equal(Convert.ToHexString(expected[i]), written, "segments are as Linux cuts them");
            Invariant.Equal(Untouched, destination[length], "nothing is written behind a segment");
        }
    }

    private static (byte[] Packet, VnetHeader Header) Plain(ref Input reader)
    {
        VnetHeader header = ReadHeader(ref reader);
        byte[] packet = reader.Rest.ToArray();
        if (packet.Length >= 40 && packet[0] >> 4 == 6)
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(packet.Length - 40));
        else if (packet.Length >= 4)
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        return (packet, header);
    }

    private static (byte[] Packet, VnetHeader Header) Forged(ref Input reader)
    {
        byte shape = reader.Byte();
        bool isUdp = (shape & 1) != 0, isIPv6 = (shape & 2) != 0;
        var inner = new InnerPacket
        {
            IsUdp = isUdp,
            IsIPv6 = isIPv6,
            ExtensionHeaders = isIPv6 ? shape >> 2 & 3 : 0,
            IPv4Options = isIPv6 ? [] : new byte[4 * (shape >> 2 & 3)],
            TcpOptions = new byte[4 * (shape >> 4 & 7)],
            Flags = reader.Byte(),
            Identification = (ushort)reader.Number(2),
            SequenceNumber = (uint)reader.Number(4),
            Payload = [.. Enumerable.Range(0, reader.Pick([0, 1, 2, 7, 8, 9, 24, 100, 1000, 3001])).Select(i => (byte)(i * 37))],
        };
        byte[] packet = inner.ToBytes();
        SlowChecksum.Begin(packet, inner.TransportOffset, isUdp);
        var header = new VnetHeader
        {
            GsoType = reader.Pick(5) == 4 ? GsoType.None : isUdp ? GsoType.Udp : isIPv6 ? GsoType.TcpV6 : GsoType.TcpV4,
            GsoSize = reader.Pick<ushort>([1, 2, 7, 8, 9, 500, 1448, 65535]),
            NeedsChecksum = true,
            ChecksumStart = (ushort)inner.TransportOffset,
            ChecksumOffset = (ushort)(isUdp ? 6 : 16),
        };
        if (reader.Pick(8) == 7)
            header = ReadHeader(ref reader);
        while (!reader.IsEmpty)
            packet[reader.Byte() % packet.Length] ^= reader.Byte();
        return (packet, header);
    }

    private static VnetHeader ReadHeader(ref Input reader) => new()
    {
        GsoType = (GsoType)reader.Pick(7),
        GsoSize = (ushort)reader.Number(2),
        HeaderLength = reader.Byte(),
        NeedsChecksum = !reader.Flag(),
        ChecksumStart = reader.Byte(),
        ChecksumOffset = reader.Pick<ushort>([16, 6, 0, 255, 65535]),
    };
}
