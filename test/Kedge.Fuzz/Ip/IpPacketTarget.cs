using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Fuzz.Ip;

/// <summary>
/// IP headers as they come out of a tunnel: what is accepted states a length that is there, fields are where the RFCs have them, and a
/// change of the ECN bits changes these and the checksum alone, by as much as is right.
/// </summary>
public sealed class IpPacketTarget : Target
{
    public override string Name => "ip-packet";

    public override int MaximumLength => 160;

    public override int ShortRun => 60_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        Convert.FromHexString("45000014000000004011000000000000FFFFFFFF"),
        Convert.FromHexString("6000000000000000"),
        Convert.FromHexString("4500001C"),
        Convert.FromHexString("46"),
        Convert.FromHexString("4F"),
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        byte outer = reader.Byte();
        byte[] bytes = reader.Rest.ToArray();
        bool accepted = IpPacket.TryParse(bytes, out IpPacket packet);
        trace.Note(1, accepted ? packet.Version : bytes.Length == 0 ? -1 : bytes[0] >> 4);
        Invariant.Equal(ExpectedLength(bytes), accepted ? packet.Length : -1, "a packet is accepted exactly when its header makes sense");
        if (!accepted)
            return;

        bool isIPv4 = bytes[0] >> 4 == 4;
        Invariant.Equal(isIPv4 ? 4 : 6, packet.Version, "a packet has the version in its first bits");
        Invariant.Equal(new IpAddressBytes(isIPv4 ? bytes[12..16] : bytes[8..24]), new(packet.Source), "a packet has its source");
        Invariant.Equal(new IpAddressBytes(isIPv4 ? bytes[16..20] : bytes[24..40]), new(packet.Destination), "a packet has its destination");
        byte inner = packet.Ecn;
        Invariant.Equal(TrafficClass(bytes) & 3, inner, "a packet has its ECN bits");

        bool forwarded = Ecn.TryDecapsulate(inner, outer, out byte ecn);
        trace.Note(2, (inner << 3) | (outer & 3) | (forwarded ? 4 : 0));
        Invariant.Equal(Decapsulated(inner, outer & 3), forwarded ? ecn : -1, "ECN leaves a tunnel as figure 4 of RFC 6040 says");
        CheckSetEcn(bytes, packet.Length, (byte)(forwarded ? ecn : outer), trace);
    }

    private static void CheckSetEcn(byte[] before, int length, byte ecn, Trace trace)
    {
        byte[] after = [.. before];
        IpPacket.SetEcn(after.AsSpan(0, length), ecn);
        Invariant.Equal(ecn & 3, TrafficClass(after) & 3, "the new ECN bits are there");
        Invariant.Equal(TrafficClass(before) >> 2, TrafficClass(after) >> 2, "the rest of the traffic class stays");
        bool isIPv4 = before[0] >> 4 == 4;
        for (int i = 0; i < before.Length; i++)
        {
            if (i != 1 && !(isIPv4 && i is 10 or 11) && before[i] != after[i])
                throw new InvariantException("a change of the ECN bits changes nothing else", $"byte {i}");
        }
        Invariant.Equal(before[1] & (isIPv4 ? 0xFC : 0xCF), after[1] & (isIPv4 ? 0xFC : 0xCF), "the other bits of that byte stay");
        if (!isIPv4)
            return;
        int header = (before[0] & 15) * 4;
        Invariant.Equal(SlowSum(before, header), SlowSum(after, header), "the header's sum stays as right or wrong as it was");
        bool valid = InternetChecksum.Compute(before.AsSpan(0, header)) == 0;
        trace.Note(3, valid ? 1 : 0);
        Invariant.Equal(valid, InternetChecksum.Compute(after.AsSpan(0, header)) == 0, "a valid checksum stays valid");
    }

    private static int ExpectedLength(byte[] bytes)
    {
        if (bytes.Length >= 20 && bytes[0] >> 4 == 4)
        {
            int header = (bytes[0] & 15) * 4;
            int length = bytes[2] * 256 + bytes[3];
            return header >= 20 && header <= length && length <= bytes.Length ? length : -1;
        }
        if (bytes.Length >= 40 && bytes[0] >> 4 == 6)
        {
            int length = 40 + bytes[4] * 256 + bytes[5];
            return length <= bytes.Length ? length : -1;
        }
        return -1;
    }

    private static int TrafficClass(byte[] bytes) => bytes[0] >> 4 == 4 ? bytes[1] : ((bytes[0] & 15) << 4) | (bytes[1] >> 4);

    /// <summary>Rows: the packet's own bits, columns: the outer ones, both as Not-ECT, ECT(1), ECT(0), CE; -1 is a drop.</summary>
    private static int Decapsulated(int inner, int outer) => new[]
    {
        0, 0, 0, -1,
        1, 1, 1, 3,
        2, 1, 2, 3,
        3, 3, 3, 3,
    }[4 * inner + outer];

    private static int SlowSum(byte[] bytes, int length)
    {
        long sum = 0;
        for (int i = 0; i < length; i += 2)
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(i));
        return (int)(sum % 65535);
    }

    private readonly record struct IpAddressBytes(string Hexadecimal)
    {
        public IpAddressBytes(byte[] bytes)
            : this(Convert.ToHexString(bytes))
        {
        }

        public IpAddressBytes(IpAddress address)
            : this(address.ToIPAddress().GetAddressBytes())
        {
        }
    }
}
