using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;

namespace Kedge.SystemTests;

/// <summary>Devices with a single queue, and ports with a single socket, as if they were that.</summary>
internal static class FirstQueue
{
    public static int Read(this TunDevice device, ReadOnlySpan<PacketBuffer> buffers) => device.Queues[0].Read(buffers);

    public static int Write(this TunDevice device, ReadOnlySpan<PacketBuffer> buffers) => device.Queues[0].Write(buffers);

    public static void WaitReadable(this TunDevice device) => device.Queues[0].WaitReadable();

    public static void Wake(this TunDevice device) => device.Queues[0].Wake();

    public static int Receive(this UdpPort port, ReadOnlySpan<PacketBuffer> buffers) => port.Sockets[0].Receive(buffers);

    public static int Send(this UdpPort port, ReadOnlySpan<PacketBuffer> buffers) => port.Sockets[0].Send(buffers);

    public static void WaitReadable(this UdpPort port) => port.Sockets[0].WaitReadable();

    public static void Wake(this UdpPort port) => port.Sockets[0].Wake();
}
