using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Offload;

/// <summary>
/// A packet as a TUN device with <c>IFF_VNET_HDR</c> hands it out, which may stand for several: a view of its bytes that writes the
/// segments which a network sees, each with its headers and checksums. A packet that stands for itself is one segment, whose checksum
/// may be left to compute. Nothing is allocated.
/// <para>
/// Cut as Linux cuts: sequence numbers go on, PSH and FIN are on the last segment only, CWR on the first only (RFC 3168 section 6.1.2), the
/// identification of IPv4 counts up. Checksums are corrected and completed from those of the packet, never made anew: what was wrong before
/// is wrong in every segment. Where a path carries less than the packet was to be cut to, TCP is cut smaller (<see cref="TryLimit"/>).
/// </para>
/// </summary>
public readonly ref partial struct SuperPacket
{
    private const int MaximumLength = ushort.MaxValue;
    private const int ExtensionHeaderUnit = 8;

    private readonly ReadOnlySpan<byte> _packet;
    private readonly VnetHeader _header;
    private readonly int _headerLength;
    private readonly int _payloadPerSegment;
    private readonly bool _isComplete; // the checksum is that of the whole packet, although it is cut

    private SuperPacket(
        IpPacket ip,
        ReadOnlySpan<byte> packet,
        scoped in VnetHeader header,
        int headerLength,
        int payloadPerSegment,
        bool isComplete = false)
    {
        Ip = ip;
        _packet = packet;
        (_header, _headerLength, _payloadPerSegment, _isComplete) = (header, headerLength, payloadPerSegment, isComplete);
        int payload = packet.Length - headerLength;
        SegmentCount = payload <= payloadPerSegment ? 1 : (payload + payloadPerSegment - 1) / payloadPerSegment;
    }

    /// <summary>The packet's IP header, which is that of all segments but for lengths, identification and checksum.</summary>
    public IpPacket Ip { get; }

    /// <summary>
    /// How many segments there are, at least 1. As many as bytes of payload where the header says so: a caller with an upper limit refuses
    /// what is above it.
    /// </summary>
    public int SegmentCount { get; }

    /// <summary>
    /// Finds the segments of a packet. False when header and packet do not go together, and nothing is to be sent: the packet is no IP
    /// packet of just this length, or longer than 65,535 bytes; it is cut, but not of that protocol, or a fragment, or its headers are cut
    /// short, or behind an IPv6 extension header that is unknown here; nothing is to be cut off at a time; the checksum is not where the
    /// protocol has it, or is not to be computed although the packet is to be cut (which virtio 1.2 forbids in section 5.1.6.2).
    /// </summary>
    /// <param name="packet">The packet, IP header first; stays the caller's, who does not change it while segments are written.</param>
    /// <param name="header">What the device said before it; checked, and <see cref="VnetHeader.HeaderLength"/> not used.</param>
    /// <param name="superPacket">The result.</param>
    public static bool TryParse(ReadOnlySpan<byte> packet, in VnetHeader header, out SuperPacket superPacket)
    {
        superPacket = default;
        if (packet.Length > MaximumLength || !IpPacket.TryParse(packet, out IpPacket ip) || ip.Length != packet.Length)
            return false;
        if (header.NeedsChecksum && !PartialChecksum.Fits(ip, header.ChecksumStart, header.ChecksumOffset))
            return false;
        if (header.GsoType == GsoType.None)
        {
            superPacket = new SuperPacket(ip, packet, header, headerLength: 0, payloadPerSegment: packet.Length);
            return true;
        }
        if (!header.NeedsChecksum || header.GsoSize == 0 || !TryFindTransport(packet, ip, out byte protocol, out int transport)
            || transport != header.ChecksumStart)
        {
            return false;
        }
        bool fits = header.GsoType switch
        {
            GsoType.TcpV4 => protocol == IpProtocol.Tcp && ip.Version == 4,
            GsoType.TcpV6 => protocol == IpProtocol.Tcp && ip.Version == 6,
            GsoType.Udp => protocol == IpProtocol.Udp,
            _ => false,
        };
        if (!fits || !TryMeasureTransport(packet[transport..], protocol, header.ChecksumOffset, out int transportHeader))
            return false;
        superPacket = new SuperPacket(ip, packet, header, transport + transportHeader, header.GsoSize);
        return true;
    }

    /// <summary>Bytes of a segment, headers included.</summary>
    /// <param name="index">From 0 to <see cref="SegmentCount"/> - 1.</param>
    public int SegmentLength(int index) =>
        _headerLength + Math.Min(_payloadPerSegment, _packet.Length - _headerLength - index * _payloadPerSegment);

    /// <summary>Writes a segment to the start of <paramref name="destination"/>.</summary>
    /// <param name="index">From 0 to <see cref="SegmentCount"/> - 1.</param>
    /// <param name="destination">At least <see cref="SegmentLength"/> bytes, elsewhere than the packet; what is behind stays.</param>
    /// <exception cref="ArgumentException">There is no such segment, or too little room.</exception>
    public void WriteSegment(int index, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)SegmentCount, nameof(index));
        int before = index * _payloadPerSegment;
        int length = SegmentLength(index);
        _packet[.._headerLength].CopyTo(destination);
        _packet.Slice(_headerLength + before, length - _headerLength).CopyTo(destination[_headerLength..]);
        Span<byte> segment = destination[..length];
        if (SegmentCount > 1)
        {
            CorrectIpHeader(segment, index);
            Span<byte> transport = segment[_header.ChecksumStart..];
            if (_isComplete)
                BeginChecksum(transport);
            if (_header.GsoType == GsoType.Udp)
                BinaryPrimitives.WriteUInt16BigEndian(transport[UdpHeader.Length..], (ushort)transport.Length);
            else
                CorrectTcpHeader(transport, index, before);
            CorrectPartialChecksum(transport);
        }
        if (_header.NeedsChecksum)
            PartialChecksum.Complete(segment[_header.ChecksumStart..], _header.ChecksumOffset);
    }

    private static bool TryFindTransport(ReadOnlySpan<byte> packet, IpPacket ip, out byte protocol, out int offset)
    {
        offset = ip.HeaderLength;
        if (ip.Version == 4)
        {
            protocol = packet[IPv4Header.Protocol];
            ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(packet[IPv4Header.FlagsAndFragmentOffset..]);
            return (fragment & IPv4Header.FragmentMask) == 0;
        }
        protocol = packet[IPv6Header.NextHeader];
        while (protocol is IPv6Header.HopByHopOptions or IPv6Header.Routing or IPv6Header.DestinationOptions)
        {
            if (offset + ExtensionHeaderUnit > packet.Length)
                return false;
            protocol = packet[offset];
            offset += (packet[offset + 1] + 1) * ExtensionHeaderUnit;
        }
        return offset <= packet.Length;
    }

    private static bool TryMeasureTransport(ReadOnlySpan<byte> transport, byte protocol, int checksumOffset, out int headerLength)
    {
        if (protocol == IpProtocol.Udp)
        {
            headerLength = UdpHeader.Size;
            return checksumOffset == UdpHeader.Checksum && transport.Length >= UdpHeader.Size
                && BinaryPrimitives.ReadUInt16BigEndian(transport[UdpHeader.Length..]) == transport.Length;
        }
        headerLength = transport.Length < TcpHeader.Size ? 0 : TcpHeader.Length(transport);
        return checksumOffset == TcpHeader.Checksum && headerLength >= TcpHeader.Size && headerLength <= transport.Length;
    }

    private static void CorrectIpHeader(Span<byte> segment, int index)
    {
        if (segment[0] >> 4 == 6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(segment[IPv6Header.PayloadLength..], (ushort)(segment.Length - IPv6Header.Size));
            return;
        }
        ushort identification = BinaryPrimitives.ReadUInt16BigEndian(segment[IPv4Header.Identification..]);
        CorrectWord(segment, IPv4Header.TotalLength, (ushort)segment.Length);
        CorrectWord(segment, IPv4Header.Identification, (ushort)(identification + index));
    }

    /// <summary>Changes a word of an IPv4 header, and its checksum by as much.</summary>
    private static void CorrectWord(Span<byte> header, int offset, ushort value)
    {
        Span<byte> word = header[offset..], checksum = header[IPv4Header.Checksum..];
        ushort corrected = InternetChecksum.Update(
            BinaryPrimitives.ReadUInt16BigEndian(checksum), BinaryPrimitives.ReadUInt16BigEndian(word), value);
        BinaryPrimitives.WriteUInt16BigEndian(word, value);
        BinaryPrimitives.WriteUInt16BigEndian(checksum, corrected);
    }

    private void CorrectTcpHeader(Span<byte> header, int index, int payloadBefore)
    {
        Span<byte> sequenceNumber = header[TcpHeader.SequenceNumber..];
        BinaryPrimitives.WriteUInt32BigEndian(
            sequenceNumber, BinaryPrimitives.ReadUInt32BigEndian(sequenceNumber) + (uint)payloadBefore);
        int cleared = index == 0 ? 0 : TcpHeader.Cwr;
        if (index != SegmentCount - 1)
            cleared |= TcpHeader.Psh | TcpHeader.Fin;
        header[TcpHeader.Flags] &= (byte)~cleared;
    }

    /// <summary>Puts a segment's length in place of the packet's into the pseudo-header's sum; its addresses stay.</summary>
    private void CorrectPartialChecksum(Span<byte> transport)
    {
        Span<byte> field = transport[_header.ChecksumOffset..];
        ushort complement = (ushort)~BinaryPrimitives.ReadUInt16BigEndian(field);
        ushort lengthBefore = (ushort)(_packet.Length - _header.ChecksumStart);
        BinaryPrimitives.WriteUInt16BigEndian(
            field, (ushort)~InternetChecksum.Update(complement, lengthBefore, (ushort)transport.Length));
    }
}
