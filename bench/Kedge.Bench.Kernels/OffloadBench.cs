using System.Buffers.Binary;
using System.Globalization;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Offload;

namespace Kedge.Bench.Kernels;

/// <summary>Nanoseconds a packet that the offloads of a TUN device cost: checksums, cutting, joining; by the size of packets.</summary>
internal static class OffloadBench
{
    private const int BatchSize = 45;
    private const int IpHeader = 20;
    private const int Headers = IpHeader + 32; // TCP with timestamps
    private static readonly int[] Sizes = [128, 576, 1420];

    public static void Run()
    {
        Console.WriteLine("TUN offloads, TCP over IPv4, ns a packet, median of 9 rounds [min..max]");
        Console.WriteLine($"{"bytes",8}  {"checksum",-22}{"cut",-22}{"join: decide",-22}{"join: copy",-22}");
        foreach (int size in Sizes)
        {
            byte[] packet = SuperPacketOf(size), segments = new byte[BatchSize * size], joined = new byte[packet.Length];
            VnetHeader header = new()
            {
                GsoType = GsoType.TcpV4,
                GsoSize = (ushort)(size - Headers),
                NeedsChecksum = true,
                ChecksumStart = IpHeader,
                ChecksumOffset = 16,
            };
            var coalescer = new Coalescer();
            Sample checksum = Sample.OfNanoseconds(BatchSize, () =>
            {
                for (int i = 0; i < BatchSize; i++)
                    InternetChecksum.Compute(segments.AsSpan(i * size, size));
            });
            Sample cut = Sample.OfNanoseconds(BatchSize, () =>
            {
                if (SuperPacket.TryParse(packet, header, out SuperPacket superPacket))
                    for (int i = 0; i < superPacket.SegmentCount; i++)
                        superPacket.WriteSegment(i, segments.AsSpan(i * size));
            });
            Sample decide = Sample.OfNanoseconds(BatchSize, () =>
            {
                coalescer.Clear();
                for (int i = 0; i < BatchSize; i++)
                    coalescer.TryAdd(segments, i * size, size);
            });
            if (coalescer.Count != 1)
                throw new InvalidOperationException($"{BatchSize} segments were joined into {coalescer.Count} packets, not one.");
            Sample copy = Sample.OfNanoseconds(BatchSize, () => coalescer.Write(0, joined));
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{size,8}  {checksum.ToString("F1"),-22}{cut.ToString("F1"),-22}{decide.ToString("F1"),-22}{copy.ToString("F1"),-22}"));
        }
    }

    // As the kernel hands it out: the header checksum is right, that of TCP begun.
    private static byte[] SuperPacketOf(int size)
    {
        byte[] packet = new byte[Headers + BatchSize * (size - Headers)];
        new Random(1).NextBytes(packet.AsSpan(Headers));
        Convert.FromHexString("450000000001400040060000" + "0A000001" + "0A000002").CopyTo(packet, 0);
        Convert.FromHexString("01BBC35000000001000000018010020000000000" + "0101080A00000064000000C8").CopyTo(packet, IpHeader);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, IpHeader)));
        ushort pseudoHeader = InternetChecksum.Sum(packet.AsSpan(12, 8), (uint)(6 + packet.Length - IpHeader));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(IpHeader + 16), pseudoHeader);
        return packet;
    }
}
