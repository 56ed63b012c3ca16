namespace Kedge.Protocol.Offload;

/// <summary>One packet to be written of those that a <see cref="Coalescer"/> was given: as it came, or joined from several.</summary>
public readonly struct CoalescedPacket
{
    internal CoalescedPacket(byte[] array, int offset, int length, int packetCount, in VnetHeader header) =>
        (Array, Offset, Length, PacketCount, Header) = (array, offset, length, packetCount, header);

    /// <summary>Where the only packet lies, or the first one of several.</summary>
    public byte[] Array { get; }

    /// <summary>The first byte of the packet in <see cref="Array"/>.</summary>
    public int Offset { get; }

    /// <summary>Bytes to be written, IP header first; of all packets together where there are several.</summary>
    public int Length { get; }

    /// <summary>How many packets there are in it. One is written from where it lies.</summary>
    public int PacketCount { get; }

    /// <summary>What is to be said to the device before the packet; nothing for a packet as it came.</summary>
    public VnetHeader Header { get; }
}
