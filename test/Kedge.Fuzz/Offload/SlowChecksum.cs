namespace Kedge.Fuzz.Offload;

/// <summary>Checksums of packets in the plainest way: all words are added, and of the sum the remainder of 65,535 is taken.</summary>
public static class SlowChecksum
{
    /// <summary>The sum of words, from 1 to 65,535; 0 for zeros alone.</summary>
    public static int Sum(byte[] bytes, long initial = 0)
    {
        long sum = initial;
        bool high = true;
        foreach (byte value in bytes)
        {
            sum += high ? value << 8 : value;
            high = !high;
        }
        return sum == 0 ? 0 : (int)((sum - 1) % 65535) + 1;
    }

    /// <summary>The pseudo-header, of the addresses in the IP header.</summary>
    public static byte[] PseudoHeader(byte[] packet, int transportOffset, bool isUdp)
    {
        int length = packet.Length - transportOffset;
        return [.. packet[0] >> 4 == 4 ? packet[12..20] : packet[8..40], 0, isUdp ? (byte)17 : (byte)6, (byte)(length >> 8), (byte)length];
    }

    /// <summary>Where the transport checksum is.</summary>
    public static int FieldOf(int transportOffset, bool isUdp) => transportOffset + (isUdp ? 6 : 16);

    /// <summary>Sets both checksums; that of the IPv6 header does not exist.</summary>
    public static void Repair(byte[] packet, int transportOffset, bool isUdp)
    {
        RepairIPv4(packet);
        int field = FieldOf(transportOffset, isUdp);
        Store(packet, field, 0);
        int checksum = 65535 - Sum([.. PseudoHeader(packet, transportOffset, isUdp), .. packet[transportOffset..]]);
        Store(packet, field, isUdp && checksum == 0 ? 65535 : checksum);
    }

    /// <summary>Sets the checksum of an IPv4 header; does nothing to IPv6.</summary>
    public static void RepairIPv4(byte[] packet)
    {
        if (packet[0] >> 4 != 4)
            return;
        Store(packet, 10, 0);
        Store(packet, 10, 65535 - Sum(packet[..((packet[0] & 15) * 4)]));
    }

    /// <summary>Puts into the checksum's field what the kernel leaves there: the pseudo-header's sum.</summary>
    public static void Begin(byte[] packet, int transportOffset, bool isUdp) =>
        Store(packet, FieldOf(transportOffset, isUdp), Sum(PseudoHeader(packet, transportOffset, isUdp)));

    /// <summary>Writes a word.</summary>
    public static void Store(byte[] packet, int offset, int word) => (packet[offset], packet[offset + 1]) = ((byte)(word >> 8), (byte)word);

    /// <summary>Reads a word.</summary>
    public static int Load(byte[] packet, int offset) => (packet[offset] << 8) | packet[offset + 1];
}
