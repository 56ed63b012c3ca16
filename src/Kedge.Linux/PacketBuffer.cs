using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Offload;

namespace Kedge.Linux;

/// <summary>
/// One packet (or a run of equal-sized ones that the kernel cuts or has joined) and what belongs to it, in memory that never moves.
/// <para>
/// Ownership: a buffer belongs to the packet thread that made it, for good. That thread lends it to a device or socket for the length of
/// one call; neither keeps it. No buffer crosses threads: what another thread must see is copied out. So nothing here is
/// synchronised, nothing is returned to a pool, and the number of buffers is fixed when the thread starts.
/// </para>
/// <para>
/// The array is <see cref="Headroom"/> + <see cref="MaximumLength"/> + <see cref="Tailroom"/> bytes, pinned. A packet is
/// read to offset <see cref="Headroom"/>, so that a header can be put before it and padding and a tag behind it without a copy.
/// </para>
/// </summary>
public sealed class PacketBuffer
{
    /// <summary>Free bytes before a packet as it was read: room for a WireGuard header (16) behind a virtio header (10), aligned.</summary>
    public const int Headroom = 64;

    /// <summary>Bytes of the longest packet that an IP header can describe.</summary>
    public const int MaximumLength = 65535;

    /// <summary>Free bytes after the longest packet: 15 of padding, 16 of tag, and one to spare.</summary>
    public const int Tailroom = 32;

    /// <summary>The memory; pinned.</summary>
    public byte[] Array { get; } = GC.AllocateUninitializedArray<byte>(Headroom + MaximumLength + Tailroom, pinned: true);

    /// <summary>Where the packet starts in <see cref="Array"/>.</summary>
    public int Offset { get; set; } = Headroom;

    /// <summary>The packet's length in bytes.</summary>
    public int Length { get; set; }

    /// <summary>The packet.</summary>
    public Span<byte> Packet => Array.AsSpan(Offset, Length);

    /// <summary>
    /// On an <see cref="IPacketQueue"/>: how the packet is to be cut or was joined, and what of its checksum is left to do.
    /// </summary>
    public VnetHeader Vnet { get; set; }

    /// <summary>On an <see cref="IDatagramSocket"/>: bytes of each datagram of a run but the last; 0 for one datagram.</summary>
    public ushort GsoSize { get; set; }

    /// <summary>The two ECN bits of the datagram's own IP header (RFC 3168), received or to be sent.</summary>
    public byte Ecn { get; set; }

    /// <summary>To be sent on an <see cref="IDatagramSocket"/>: the time to live or hop limit; 0 for the kernel's.</summary>
    public byte TimeToLive { get; set; }

    /// <summary>
    /// To be sent on an <see cref="IDatagramSocket"/>, in a call of its own and by one thread at a time: whether it may not be fragmented,
    /// neither by this machine nor on its way, whatever that is thought to carry.
    /// </summary>
    public bool DontFragment { get; set; }

    /// <summary>
    /// Received: the remote end. To be sent: the local address and, as scope, the interface to send from; none lets the kernel choose. The
    /// port of a local address is not used. Linux takes the interface of an IPv4 address for an order, even where no route leads there, and
    /// that of an IPv6 address, link-local ones apart, for a hint: so who keeps a source should drop it when answers stop coming.
    /// </summary>
    public Endpoint Source { get; set; }

    /// <summary>To be sent: the remote end. Received: the local address and, as scope, the interface it came in by.</summary>
    public Endpoint Destination { get; set; }

    /// <summary>
    /// The address of the first byte of <see cref="Array"/>, for system calls; good for as long as the buffer is reachable.
    /// </summary>
    internal unsafe byte* Address => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(Array));

    /// <summary>Allocates the buffers of a packet thread.</summary>
    public static PacketBuffer[] Allocate(int count)
    {
        var buffers = new PacketBuffer[count];
        for (int i = 0; i < count; i++)
            buffers[i] = new PacketBuffer();
        return buffers;
    }

    /// <summary>Makes the buffer ready to be read into: empty, at <see cref="Headroom"/>, with nothing attached.</summary>
    public void Reset()
    {
        Offset = Headroom;
        Length = 0;
        Vnet = default;
        GsoSize = 0;
        Ecn = 0;
        TimeToLive = 0;
        DontFragment = false;
        Source = Destination = default;
    }
}
