using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Offload;

/// <summary>
/// Joins packets of one flow into packets that stand for several, which a TUN device with <c>IFF_VNET_HDR</c> takes in one write: the
/// inverse of <see cref="SuperPacket"/>. A batch at a time: add packets in the order in which they came, write what
/// <see cref="Count"/> and the indexer say, in that order, clear.
/// <para>
/// Packets are joined only where the kernel, cutting the result again, makes of it the very packets that came. So all are plain TCP with
/// ACK and perhaps PSH, or UDP with a checksum, over IPv4 without options or IPv6 without extension headers, and no fragments. Their
/// checksums are right: the device computes them anew, and would hide that one was not. Their headers are the same, ECN, TTL, flow label
/// and TCP options included, but for sequence numbers and the identifications of IPv4, which go on without a gap. (RFC 6864 lets
/// identifications stay the same together with DF; they would begin to count, for the virtio header cannot say otherwise.) All have as
/// much payload as the first, except that the last may have less. PSH is on the last alone.
/// </para>
/// <para>
/// The packets of a flow keep their order, joined or not; those of different flows need not. Packets that may belong to any flow
/// (fragments, unknown headers) keep their place among all.
/// </para>
/// <para>
/// Owned by one thread. Allocates nothing after construction. The arrays it is lent must stay as they are until it is cleared.
/// </para>
/// </summary>
public sealed class Coalescer
{
    /// <summary>How many packets a batch may have where nothing else is said.</summary>
    public const int DefaultCapacity = 512;

    /// <summary>How many flows may be under way at once; one more ends the group of the flow that came up first.</summary>
    public const int MaximumFlows = 16;

    /// <summary>Bytes of the longest packet that <see cref="Write"/> makes.</summary>
    public const int MaximumLength = ushort.MaxValue;

    private const int None = -1;

    private readonly Packet[] _packets;
    private readonly Group[] _groups;
    private readonly FlowTable _flows = new(MaximumFlows);
    private readonly bool _coalescesUdp;
    private int _packetCount;

    /// <summary>A coalescer without packets.</summary>
    /// <param name="capacity">How many packets a batch may have, at least 1.</param>
    /// <param name="coalescesUdp">
    /// Whether UDP is joined, which takes a kernel with <c>TUN_F_USO4</c> and <c>TUN_F_USO6</c> (Linux 6.2).
    /// </param>
    public Coalescer(int capacity = DefaultCapacity, bool coalescesUdp = true)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _packets = new Packet[capacity];
        _groups = new Group[capacity];
        _coalescesUdp = coalescesUdp;
    }

    /// <summary>How many packets there are to write.</summary>
    public int Count { get; private set; }

    /// <summary>A packet to write.</summary>
    /// <param name="index">From 0 to <see cref="Count"/> - 1, which is the order to write them in.</param>
    public CoalescedPacket this[int index]
    {
        get
        {
            ref readonly Group group = ref Find(index);
            ref readonly Packet first = ref _packets[group.First];
            return new CoalescedPacket(first.Array, first.Offset, group.Length, group.Count, HeaderOf(group));
        }
    }

    /// <summary>Adds the packet that came next. False when the batch is full: write and clear it first.</summary>
    /// <param name="array">Where the packet lies; lent until <see cref="Clear"/>.</param>
    /// <param name="offset">Its first byte, of the IP header.</param>
    /// <param name="length">Its length in bytes, without any padding.</param>
    public bool TryAdd(byte[] array, int offset, int length)
    {
        if (_packetCount == _packets.Length)
            return false;
        var packet = Segment.Parse(array.AsSpan(offset, length), _coalescesUdp);
        int number = _packetCount++;
        _packets[number] = new Packet(array, offset, length, packet.HeaderLength);
        if (packet.Kind == SegmentKind.Joins && TryJoin(number, packet))
            return true;

        int group = Count++;
        _groups[group] = new Group(number, length, packet);
        switch (packet.Kind)
        {
            case SegmentKind.Joins when !packet.IsLast:
                _flows.Open(packet.Flow, group);
                break;
            case SegmentKind.Joins or SegmentKind.StandsAlone:
                _flows.Close(packet.Flow);
                break;
            case SegmentKind.Unclear:
                _flows.CloseAll();
                break;
        }
        return true;
    }

    /// <summary>Writes a packet that was joined from several; one that came as it is need not be copied.</summary>
    /// <param name="index">From 0 to <see cref="Count"/> - 1.</param>
    /// <param name="destination">At least <see cref="CoalescedPacket.Length"/> bytes, elsewhere than the packets that were added.</param>
    /// <exception cref="ArgumentException">There is no such packet, or too little room.</exception>
    public void Write(int index, Span<byte> destination)
    {
        ref readonly Group group = ref Find(index);
        ref readonly Packet first = ref _packets[group.First];
        first.Bytes.CopyTo(destination);
        Span<byte> rest = destination[first.Length..];
        for (int number = first.Next; number != None; number = _packets[number].Next)
        {
            ReadOnlySpan<byte> payload = _packets[number].Payload;
            payload.CopyTo(rest);
            rest = rest[payload.Length..];
        }
        if (group.Count > 1)
            JoinHeaders(group, destination[..group.Length]);
    }

    /// <summary>Forgets the batch; the arrays are the caller's again.</summary>
    public void Clear()
    {
        _packetCount = Count = 0;
        _flows.CloseAll();
    }

    private ref readonly Group Find(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        return ref _groups[index];
    }

    private bool TryJoin(int number, in Segment packet)
    {
        if (!_flows.TryGetOpen(packet.Flow, out int open))
            return false;
        ref Group group = ref _groups[open];
        if (packet.PayloadLength > group.PayloadPerSegment || group.Length + packet.PayloadLength > MaximumLength
            || !Continues(group, packet, _packets[number].Bytes))
        {
            return false;
        }
        _packets[group.Last].Next = number;
        group.Last = number;
        group.Length += packet.PayloadLength;
        group.Count++;
        if (packet.IsLast || packet.PayloadLength < group.PayloadPerSegment)
            _flows.Close(packet.Flow);
        return true;
    }

    /// <summary>Whether the kernel, cutting one packet more off the group, would write the headers of this one.</summary>
    private bool Continues(in Group group, in Segment packet, ReadOnlySpan<byte> bytes)
    {
        if (packet.GsoType != group.GsoType || packet.HeaderLength != group.HeaderLength)
            return false;
        ReadOnlySpan<byte> first = _packets[group.First].Bytes;
        Range transport = packet.IpHeaderLength..packet.HeaderLength;
        return Continuation.OfIp(first, bytes, packetsBefore: group.Count)
            && (packet.GsoType == GsoType.Udp
                ? Continuation.OfUdp(first[transport], bytes[transport])
                : Continuation.OfTcp(first[transport], bytes[transport], payloadBefore: group.Length - group.HeaderLength));
    }

    /// <summary>Makes of the first packet's headers those of all together, checksums as a device expects them.</summary>
    private void JoinHeaders(in Group group, Span<byte> packet)
    {
        Span<byte> transport = packet[group.IpHeaderLength..];
        byte protocol = IpProtocol.Tcp;
        if (group.GsoType == GsoType.Udp)
        {
            protocol = IpProtocol.Udp;
            BinaryPrimitives.WriteUInt16BigEndian(transport[UdpHeader.Length..], (ushort)transport.Length);
        }
        else
            transport[TcpHeader.Flags] |= _packets[group.Last].Bytes[group.IpHeaderLength + TcpHeader.Flags]; // PSH

        if (packet[0] >> 4 == 4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[IPv4Header.TotalLength..], (ushort)packet.Length);
            BinaryPrimitives.WriteUInt16BigEndian(packet[IPv4Header.Checksum..], 0);
            BinaryPrimitives.WriteUInt16BigEndian(
                packet[IPv4Header.Checksum..], InternetChecksum.Compute(packet[..IPv4Header.Size]));
        }
        else
            BinaryPrimitives.WriteUInt16BigEndian(packet[IPv6Header.PayloadLength..], (ushort)(packet.Length - IPv6Header.Size));
        BinaryPrimitives.WriteUInt16BigEndian(
            transport[ChecksumOffsetOf(group.GsoType)..], PartialChecksum.PseudoHeaderSum(packet, protocol, transport.Length));
    }

    private static VnetHeader HeaderOf(in Group group) => group.Count == 1 ? default : new VnetHeader
    {
        GsoType = group.GsoType,
        GsoSize = (ushort)group.PayloadPerSegment,
        HeaderLength = (ushort)group.HeaderLength,
        NeedsChecksum = true,
        ChecksumStart = (ushort)group.IpHeaderLength,
        ChecksumOffset = (ushort)ChecksumOffsetOf(group.GsoType),
    };

    private static int ChecksumOffsetOf(GsoType type) => type == GsoType.Udp ? UdpHeader.Checksum : TcpHeader.Checksum;

    /// <summary>A packet of the batch.</summary>
    private struct Packet(byte[] array, int offset, int length, int headerLength)
    {
        public readonly byte[] Array = array;
        public readonly int Offset = offset;
        public readonly int Length = length;

        /// <summary>The number of the next packet of the same group.</summary>
        public int Next = None;

        private readonly int _headerLength = headerLength;

        public readonly ReadOnlySpan<byte> Bytes => Array.AsSpan(Offset, Length);

        public readonly ReadOnlySpan<byte> Payload => Bytes[_headerLength..];
    }

    /// <summary>Packets that are written as one; those of a group that never grew are read by their first fields alone.</summary>
    private struct Group(int number, int length, in Segment packet)
    {
        public readonly int First = number;
        public int Last = number;
        public int Count = 1;

        /// <summary>Bytes of all together: the headers once, and all payloads.</summary>
        public int Length = length;

        public readonly GsoType GsoType = packet.GsoType;
        public readonly int IpHeaderLength = packet.IpHeaderLength;
        public readonly int HeaderLength = packet.HeaderLength;
        public readonly int PayloadPerSegment = packet.PayloadLength;
    }
}
