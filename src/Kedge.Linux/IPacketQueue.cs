using Kedge.Linux.Tun;

namespace Kedge.Linux;

/// <summary>
/// Where IP packets come from and go to: one queue of a TUN interface, or its in-memory twin in tests. One thread reads, one thread writes;
/// they may be two, and then the one that reads may also write packets that stand for themselves alone. Any thread may call
/// <see cref="Wake"/>.
/// </summary>
public interface IPacketQueue
{
    /// <summary>
    /// What may come from <see cref="Read"/> and go to <see cref="Write"/> beyond plain packets. The same for as long as the queue exists.
    /// </summary>
    TunOffloads Offloads { get; }

    /// <summary>
    /// Whether the kernel has refused a packet that stands for several, against what <see cref="Offloads"/> says. From then on the queue cuts
    /// each, so that joining packets no longer pays.
    /// </summary>
    bool RefusesJoined { get; }

    /// <summary>
    /// Reads as many packets as are there and fit, one a buffer, without blocking. Each buffer read into is reset first. With
    /// <see cref="Offloads"/>, a packet may have its checksum still to be completed, and may stand for any number of packets: its
    /// <see cref="PacketBuffer.Vnet"/> says so.
    /// </summary>
    /// <returns>How many buffers were filled; 0 when there is nothing now.</returns>
    /// <exception cref="LinuxException">The interface is gone.</exception>
    int Read(ReadOnlySpan<PacketBuffer> buffers);

    /// <summary>
    /// Writes packets in their order without blocking, each as its <see cref="PacketBuffer.Vnet"/> says: with a type of segmentation that
    /// <see cref="Offloads"/> allows, a packet that the kernel cuts; with a checksum to be computed, one whose checksum it takes for
    /// granted, or completes where the packet leaves the machine. Before the packet, the buffer's headroom must have
    /// <see cref="VirtioHeader.Length"/> bytes; they are overwritten.
    /// </summary>
    /// <returns>
    /// How many buffers the kernel took; the others are lost, because the interface is down, its queue is full, or the device has no such
    /// offload.
    /// </returns>
    int Write(ReadOnlySpan<PacketBuffer> buffers);

    /// <summary>Blocks the reading thread until <see cref="Read"/> has something to do or <see cref="Wake"/> was called.</summary>
    /// <exception cref="LinuxException">The interface is gone.</exception>
    void WaitReadable();

    /// <summary>Ends the current or the next <see cref="WaitReadable"/>.</summary>
    void Wake();
}
