using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Udp;

/// <summary>Receiving; one thread.</summary>
internal sealed unsafe partial class UdpSocket
{
    /// <summary>Errors in a row that may stand in a socket's queue before a datagram; with more, others get their turn first.</summary>
    private const int PatienceWithErrors = 8;

    /// <inheritdoc cref="IDatagramSocket.Receive"/>
    [SkipLocalsInit]
    public int Receive(ReadOnlySpan<PacketBuffer> buffers, ushort localPort)
    {
        if (Acquire() is not { } socket)
            return 0;
        Libc.Mmsghdr* messages = stackalloc Libc.Mmsghdr[BatchLength];
        Libc.Iovec* vectors = stackalloc Libc.Iovec[BatchLength];
        Libc.SockaddrIn6* names = stackalloc Libc.SockaddrIn6[BatchLength];
        byte* controls = stackalloc byte[BatchLength * ControlLength];
        int total = 0;
        int errors = 0;
        while (total < buffers.Length)
        {
            ReadOnlySpan<PacketBuffer> batch = buffers.Slice(total, Math.Min(BatchLength, buffers.Length - total));
            for (int i = 0; i < batch.Length; i++)
            {
                vectors[i] = new() { Base = batch[i].Address + PacketBuffer.Headroom, Length = PacketBuffer.MaximumLength };
                messages[i] = Message(names + i, (uint)sizeof(Libc.SockaddrIn6), vectors + i, controls + i * ControlLength, ControlLength);
            }
            int received = Libc.recvmmsg(socket.Number, messages, (uint)batch.Length, Libc.MSG_DONTWAIT, null);
            if (received < 0)
            {
                // Anything but EAGAIN is an error of an earlier datagram, or a signal: what is queued behind it is to be had all the same.
                if (Marshal.GetLastPInvokeError() == Errno.EAGAIN || ++errors > PatienceWithErrors)
                    break;
                continue;
            }
            for (int i = 0; i < received; i++)
                Unpack(batch[i], messages + i, localPort);
            total += received;
            if (received < batch.Length)
                break;
        }
        socket.Release();
        return total;
    }

    private void Unpack(PacketBuffer buffer, Libc.Mmsghdr* message, ushort localPort)
    {
        buffer.Reset();
        if ((message->Header.Flags & Libc.MSG_TRUNC) != 0)
        {
            counters.CountTruncated();
            return;
        }
        buffer.Length = (int)message->Length;
        buffer.Source = SocketAddress.Read((byte*)message->Header.Name);
        var control = new ControlReader((byte*)message->Header.Control, message->Header.ControlLength);
        while (control.MoveNext())
        {
            switch (control.Kind)
            {
                case (Libc.IPPROTO_IP, Libc.IP_PKTINFO):
                    var ipv4 = MemoryMarshal.Read<Libc.InPktinfo>(control.Value);
                    IpAddress local4 = IpAddress.FromBytes(new ReadOnlySpan<byte>(&ipv4.LocalAddress, 4));
                    buffer.Destination = new Endpoint(local4, localPort, (uint)ipv4.InterfaceIndex);
                    break;
                case (Libc.IPPROTO_IPV6, Libc.IPV6_PKTINFO):
                    var ipv6 = MemoryMarshal.Read<Libc.In6Pktinfo>(control.Value);
                    IpAddress local6 = IpAddress.FromBytes(new ReadOnlySpan<byte>(ipv6.Address, 16));
                    buffer.Destination = new Endpoint(local6, localPort, ipv6.InterfaceIndex);
                    break;
                // An int. The kernel may say so of a datagram on its own too.
                case (Libc.SOL_UDP, Libc.UDP_GRO) when MemoryMarshal.Read<int>(control.Value) is var size && size < buffer.Length:
                    buffer.GsoSize = (ushort)size;
                    break;
                case (Libc.IPPROTO_IP, Libc.IP_TOS): // one byte
                    buffer.Ecn = (byte)(control.Value[0] & 3);
                    break;
                case (Libc.IPPROTO_IPV6, Libc.IPV6_TCLASS): // an int
                    buffer.Ecn = (byte)(MemoryMarshal.Read<int>(control.Value) & 3);
                    break;
            }
        }
    }
}
