using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Offload;

/// <content>Cutting TCP smaller than the kernel would.</content>
public readonly ref partial struct SuperPacket
{
    /// <summary>
    /// Cuts TCP into segments that are no longer than said, as a sender with another maximum segment size would. A packet that stands for
    /// itself is cut evenly, so that the segments of several such packets are of one size.
    /// </summary>
    /// <param name="longest">Bytes of the longest segment, its headers included.</param>
    /// <param name="limited">The result: the same packet, cut otherwise.</param>
    /// <returns>
    /// False for what must stay as it is: what is not TCP (the length of a datagram means something), a fragment, a segment with SYN or
    /// RST, one whose checksum is wrong, which nobody could tell afterwards, and where there is no room for headers and payload.
    /// </returns>
    public bool TryLimit(int longest, out SuperPacket limited)
    {
        limited = default;
        if (_header.GsoType is GsoType.TcpV4 or GsoType.TcpV6)
        {
            int payload = Math.Min(longest - _headerLength, _payloadPerSegment);
            if (payload <= 0 || !MayBeCut(_packet[_header.ChecksumStart..]))
                return false;
            limited = new SuperPacket(Ip, _packet, _header, _headerLength, payload);
            return true;
        }
        return _header.GsoType == GsoType.None && TryLimitWhole(longest, out limited);
    }

    private bool TryLimitWhole(int longest, out SuperPacket limited)
    {
        limited = default;
        if (!TryFindTransport(_packet, Ip, out byte protocol, out int start) || protocol != IpProtocol.Tcp
            || !TryMeasureTransport(_packet[start..], protocol, TcpHeader.Checksum, out int transportHeader))
        {
            return false;
        }
        ReadOnlySpan<byte> transport = _packet[start..];
        bool isBegun = _header.NeedsChecksum && _header.ChecksumStart == start && _header.ChecksumOffset == TcpHeader.Checksum;
        int headers = start + transportHeader;
        int payload = _packet.Length - headers, most = longest - headers;
        if (most <= 0 || payload <= 0 || isBegun != _header.NeedsChecksum || !MayBeCut(transport) || (!isBegun && !IsRight(transport)))
            return false;
        int segments = (payload + most - 1) / most;
        var header = new VnetHeader
        {
            GsoType = Ip.Version == 4 ? GsoType.TcpV4 : GsoType.TcpV6,
            NeedsChecksum = true,
            ChecksumStart = (ushort)start,
            ChecksumOffset = TcpHeader.Checksum,
        };
        int each = (payload + segments - 1) / segments;
        limited = segments == 1 ? this : new SuperPacket(Ip, _packet, header, headers, each, isComplete: !isBegun);
        return true;
    }

    // What begins or ends a connection does so once.
    private static bool MayBeCut(ReadOnlySpan<byte> transport) => (transport[TcpHeader.Flags] & (TcpHeader.Syn | TcpHeader.Rst)) == 0;

    private bool IsRight(ReadOnlySpan<byte> transport) =>
        InternetChecksum.Sum(transport, PartialChecksum.PseudoHeaderSum(_packet, IpProtocol.Tcp, transport.Length)) == ushort.MaxValue;

    /// <summary>Puts the sum of the packet's pseudo-header in place of its checksum, as if that had been left to the device.</summary>
    private void BeginChecksum(Span<byte> transport) => BinaryPrimitives.WriteUInt16BigEndian(
        transport[TcpHeader.Checksum..],
        PartialChecksum.PseudoHeaderSum(_packet, IpProtocol.Tcp, _packet.Length - _header.ChecksumStart));
}
