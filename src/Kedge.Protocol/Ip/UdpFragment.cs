using System.Buffers.Binary;

namespace Kedge.Protocol.Ip;

/// <summary>What tells a UDP datagram, or a fragment of one, from others between the same two addresses.</summary>
/// <param name="SourcePort">The source port; 0 in a fragment that is not the first.</param>
/// <param name="DestinationPort">The destination port; 0 in a fragment that is not the first.</param>
/// <param name="HasPorts">Whether this is a whole datagram or a first fragment, which alone have ports.</param>
/// <param name="IsFragment">Whether this is a fragment.</param>
/// <param name="Identification">What all fragments of a datagram have in common; without meaning where this is none.</param>
/// <param name="Start">Where in the packet the UDP header begins, or what follows it in a fragment that is not the first.</param>
public readonly record struct UdpFragment(
    ushort SourcePort, ushort DestinationPort, bool HasPorts, bool IsFragment, uint Identification, int Start)
{
    private const int UdpHeaderLength = 8;
    private const byte Udp = 17;
    private const byte FragmentHeader = 44;
    private const int FragmentHeaderLength = 8;

    /// <summary>The identification, with the version of IP, so that fragments of both can be remembered in one place.</summary>
    /// <param name="packet">The packet that this was read from.</param>
    public ulong KeyOf(IpPacket packet) => (ulong)packet.Version << 32 | Identification;

    /// <summary>What is behind the UDP header, as far as it is in this packet; not for fragments other than the first.</summary>
    /// <param name="packet">The packet that this was read from.</param>
    public ReadOnlySpan<byte> PayloadOf(IpPacket packet) => packet.Bytes[Math.Min(Start + UdpHeaderLength, packet.Length)..];

    /// <summary>Reads a packet; false if it is not UDP, or behind IPv6 extension headers other than that of a fragment.</summary>
    public static bool TryRead(IpPacket packet, out UdpFragment fragment)
    {
        fragment = default;
        ReadOnlySpan<byte> bytes = packet.Bytes;
        int start = packet.HeaderLength;
        byte protocol = bytes[packet.Version == 4 ? 9 : 6];
        bool hasPorts = true, isFragment = false;
        uint identification = 0;
        if (packet.Version == 4)
        {
            int flags = BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]);
            (hasPorts, isFragment) = ((flags & 0x1FFF) == 0, (flags & 0x3FFF) != 0); // the offset; that and "more fragments"
            identification = BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
        }
        else if (protocol == FragmentHeader && bytes.Length >= start + FragmentHeaderLength)
        {
            protocol = bytes[start];
            (hasPorts, isFragment) = (BinaryPrimitives.ReadUInt16BigEndian(bytes[(start + 2)..]) >> 3 == 0, true);
            identification = BinaryPrimitives.ReadUInt32BigEndian(bytes[(start + 4)..]);
            start += FragmentHeaderLength;
        }
        if (protocol != Udp || (hasPorts && bytes.Length < start + 4))
            return false;
        ushort source = hasPorts ? BinaryPrimitives.ReadUInt16BigEndian(bytes[start..]) : (ushort)0;
        ushort destination = hasPorts ? BinaryPrimitives.ReadUInt16BigEndian(bytes[(start + 2)..]) : (ushort)0;
        fragment = new UdpFragment(source, destination, hasPorts, isFragment, identification, start);
        return true;
    }
}
