using Kedge.Linux.Tun;
using Kedge.Protocol.Offload;

namespace Kedge.Linux;

/// <summary>
/// Where IP packets come from and go to: a TUN interface, or its in-memory twin in tests. One thread reads, one thread writes; they may
/// be two. <see cref="Wake"/> may be called by any thread. Whoever made the device disposes it, after both threads have ended.
/// </summary>
public interface IPacketDevice : IDisposable
{
    /// <summary>The interface's name.</summary>
    string Name { get; }

    /// <summary>Bytes of the longest packet, as last set on the interface.</summary>
    int Mtu { get; }

    /// <summary>
    /// Takes note of the MTU that the interface has got from elsewhere. May ask the kernel to fit other settings to it: for a thread that may
    /// wait. Any thread.
    /// </summary>
    /// <param name="mtu">Bytes of the longest packet.</param>
    void RecordMtu(int mtu);

    /// <summary>
    /// What may come from <see cref="Read"/> and go to <see cref="Write"/> beyond plain packets. The same for as long as the device exists.
    /// </summary>
    TunOffloads Offloads { get; }

    /// <summary>
    /// Reads as many packets as are there and fit, one a buffer, without blocking. Each buffer read into is reset first. With
    /// <see cref="Offloads"/>, a packet may have its checksum still to be completed (<see cref="PacketBuffer.NeedsChecksum"/>), and may
    /// stand for any number of packets (<see cref="PacketBuffer.GsoType"/>).
    /// </summary>
    /// <returns>How many buffers were filled; 0 when there is nothing now.</returns>
    /// <exception cref="LinuxException">The interface is gone.</exception>
    int Read(ReadOnlySpan<PacketBuffer> buffers);

    /// <summary>
    /// Writes packets in their order without blocking, each as its buffer says: with a <see cref="GsoType"/> that <see cref="Offloads"/>
    /// allows, a packet that the kernel cuts; with <see cref="PacketBuffer.NeedsChecksum"/>, one whose checksum it takes for granted, or
    /// completes where the packet leaves the machine. Before the packet, the buffer's headroom must have <see cref="VirtioHeader.Length"/>
    /// bytes; they are overwritten.
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
