using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Udp;

/// <summary>
/// Sending; any number of threads. A buffer is one message, or, where it holds a run of datagrams, as many messages as the run has to be
/// divided into.
/// </summary>
internal sealed unsafe partial class UdpSocket
{
    /// <summary>
    /// Datagrams a message: what every kernel with <c>UDP_SEGMENT</c> takes. Newer ones take twice as many, but no error tells for sure
    /// that one does not; and so many fit only where they are shorter than 1,024 bytes.
    /// </summary>
    private const int MaximumSegments = 64;

    /// <summary>Bytes a message: the longest UDP payload over IPv4. Over IPv6 there could be 20 more.</summary>
    private const int MaximumPayload = 65507;

    /// <summary>Sends what is in at most <see cref="BatchLength"/> buffers and has a destination of this family.</summary>
    /// <returns>How many datagrams the kernel took.</returns>
    [SkipLocalsInit]
    public int Send(ReadOnlySpan<PacketBuffer> buffers)
    {
        Libc.Mmsghdr* headers = stackalloc Libc.Mmsghdr[BatchLength];
        Libc.Iovec* vectors = stackalloc Libc.Iovec[BatchLength];
        Libc.SockaddrIn6* names = stackalloc Libc.SockaddrIn6[BatchLength];
        byte* controls = stackalloc byte[BatchLength * ControlLength];
        byte* indexes = stackalloc byte[BatchLength];
        var messages = new Messages(headers, vectors, names, controls, indexes);
        var next = new Position(Index: 0, Offset: 0);
        int singly = -1; // the buffer whose datagrams are messages of their own, because the kernel has refused to cut its run

        int count = Fill(messages, buffers, next, singly);
        if (count == 0)
            return 0;
        if (Acquire() is not { } socket)
        {
            counters.CountClosed(CountDatagrams(buffers, next));
            return 0;
        }
        bool isProbe = buffers is [{ DontFragment: true }];
        if (isProbe && !TrySetDiscovery(socket.Number, Libc.IP_PMTUDISC_PROBE))
            count = 0; // rather not at all than in fragments
        int taken = 0;
        for (; count > 0; count = Fill(messages, buffers, next, singly))
        {
            int sent = Libc.sendmmsg(socket.Number, headers, (uint)count, Libc.MSG_DONTWAIT);
            if (sent > 0)
            {
                for (int i = 0; i < sent; i++)
                    taken += CountDatagrams(buffers[indexes[i]], (int)vectors[i].Length);
                next = Behind(messages, buffers, sent - 1);
                continue;
            }
            // The first one failed, and nothing of it has left; the others have not been tried.
            int error = Marshal.GetLastPInvokeError();
            PacketBuffer failed = buffers[indexes[0]];
            int datagrams = CountDatagrams(failed, (int)vectors[0].Length);
            if (error == Errno.EINTR)
                continue;
            if (datagrams > 1 && MayBeTheRun(error))
            {
                singly = indexes[0];
                continue;
            }
            if (!failed.Source.IsNone && MayBeTheSource(error))
            {
                failed.Source = default;
                continue;
            }
            if (error == Errno.EAGAIN)
            {
                // The socket's queue is full: the rest would meet the same.
                counters.CountLost(error, CountDatagrams(buffers, next));
                break;
            }
            if (!isProbe || error != Errno.EMSGSIZE)
                counters.CountLost(error, datagrams);
            next = Behind(messages, buffers, 0);
        }
        if (isProbe)
            TrySetDiscovery(socket.Number, UsualDiscovery);
        socket.Release();
        return taken;
    }

    /// <summary>
    /// Whether an error may mean that the kernel does not cut a run on its way to this destination, while single datagrams may pass: they
    /// are longer than the path's MTU (EMSGSIZE, formerly EINVAL) and have to be fragmented, or the interface computes no checksums, or
    /// there is IPsec (EIO). This is not remembered: it is a matter of the route, others may do, and this one may change.
    /// </summary>
    private static bool MayBeTheRun(int error) => error is Errno.EMSGSIZE or Errno.EINVAL or Errno.EIO or Errno.EOPNOTSUPP;

    private static bool MayBeTheSource(int error) => error
        is Errno.EINVAL or Errno.ENETUNREACH or Errno.EADDRNOTAVAIL or Errno.EHOSTUNREACH or Errno.ENODEV or Errno.ENXIO or Errno.ENETDOWN;

    /// <summary>How many datagrams the first bytes of a buffer are.</summary>
    private static int CountDatagrams(PacketBuffer buffer, int length) =>
        buffer.GsoSize == 0 || length <= buffer.GsoSize ? 1 : (length + buffer.GsoSize - 1) / buffer.GsoSize;

    /// <summary>Where the message of an index ends.</summary>
    private static Position Behind(Messages messages, ReadOnlySpan<PacketBuffer> buffers, int message)
    {
        int index = messages.Indexes[message];
        PacketBuffer buffer = buffers[index];
        ref Libc.Iovec vector = ref messages.Vectors[message];
        int end = (int)((byte*)vector.Base - buffer.Address) - buffer.Offset + (int)vector.Length;
        return end < buffer.Length ? new(index, end) : new(index + 1, 0);
    }

    /// <summary>How many datagrams of this family there are from a position on.</summary>
    private int CountDatagrams(ReadOnlySpan<PacketBuffer> buffers, Position start)
    {
        int count = 0;
        for (int i = start.Index; i < buffers.Length; i++)
        {
            if (buffers[i].Destination.Address.Size == _addressLength)
                count += CountDatagrams(buffers[i], buffers[i].Length - (i == start.Index ? start.Offset : 0));
        }
        return count;
    }

    /// <summary>Puts together the messages from a position on, as many as there are and fit.</summary>
    /// <returns>How many there are.</returns>
    private int Fill(Messages messages, ReadOnlySpan<PacketBuffer> buffers, Position start, int singly)
    {
        int count = 0;
        int offset = start.Offset;
        for (int i = start.Index; i < buffers.Length && count < BatchLength; i++, offset = 0)
        {
            PacketBuffer buffer = buffers[i];
            if (buffer.Destination.Address.Size != _addressLength)
                continue;
            int longest = MaximumLength(buffer, isCut: i != singly && (_offloads & UdpOffloads.Segmentation) != 0);
            do
            {
                int length = Math.Min(longest, buffer.Length - offset);
                byte* name = (byte*)(messages.Names + count);
                byte* control = messages.Controls + count * ControlLength;
                messages.Vectors[count] = new() { Base = buffer.Address + buffer.Offset + offset, Length = (nuint)length };
                messages.Headers[count] = Message(
                    name,
                    SocketAddress.Write(buffer.Destination, name),
                    messages.Vectors + count,
                    control,
                    WriteControl(buffer, isRun: CountDatagrams(buffer, length) > 1, control));
                messages.Indexes[count++] = (byte)i;
                offset += length;
            }
            while (offset < buffer.Length && count < BatchLength);
        }
        return count;
    }

    /// <summary>How much of a buffer one message takes: everything, or whole datagrams of its run.</summary>
    private static int MaximumLength(PacketBuffer buffer, bool isCut)
    {
        if (buffer.GsoSize == 0 || buffer.Length <= buffer.GsoSize)
            return buffer.Length;
        return isCut ? Math.Clamp(MaximumPayload / buffer.GsoSize, 1, MaximumSegments) * buffer.GsoSize : buffer.GsoSize;
    }

    private nuint WriteControl(PacketBuffer buffer, bool isRun, byte* memory)
    {
        var control = new ControlWriter(memory);
        if (buffer.Source.Address.Size == _addressLength)
        {
            if (ipv6)
            {
                Libc.In6Pktinfo* info = control.Append<Libc.In6Pktinfo>(Libc.IPPROTO_IPV6, Libc.IPV6_PKTINFO);
                *info = new() { InterfaceIndex = buffer.Source.ScopeId };
                buffer.Source.Address.CopyTo(new Span<byte>(info->Address, 16));
            }
            else
            {
                Libc.InPktinfo* info = control.Append<Libc.InPktinfo>(Libc.IPPROTO_IP, Libc.IP_PKTINFO);
                *info = new() { InterfaceIndex = (int)buffer.Source.ScopeId };
                buffer.Source.Address.CopyTo(new Span<byte>(&info->LocalAddress, 4));
            }
        }
        if (buffer.Ecn != 0)
            *control.Append<int>(ipv6 ? Libc.IPPROTO_IPV6 : Libc.IPPROTO_IP, ipv6 ? Libc.IPV6_TCLASS : Libc.IP_TOS) = buffer.Ecn & 3;
        if (buffer.TimeToLive != 0)
            *control.Append<int>(ipv6 ? Libc.IPPROTO_IPV6 : Libc.IPPROTO_IP, ipv6 ? Libc.IPV6_HOPLIMIT : Libc.IP_TTL) = buffer.TimeToLive;
        if (isRun)
            *control.Append<ushort>(Libc.SOL_UDP, Libc.UDP_SEGMENT) = buffer.GsoSize;
        return control.Length;
    }

    /// <summary>A place among the buffers of a call: a buffer, and how many bytes of it are before the place.</summary>
    private record struct Position(int Index, int Offset);

    /// <summary>Room for the messages of one system call, on the stack of the thread that sends, and which buffer each is from.</summary>
    private readonly struct Messages(
        Libc.Mmsghdr* headers, Libc.Iovec* vectors, Libc.SockaddrIn6* names, byte* controls, byte* indexes)
    {
        public Libc.Mmsghdr* Headers { get; } = headers;

        public Libc.Iovec* Vectors { get; } = vectors;

        public Libc.SockaddrIn6* Names { get; } = names;

        public byte* Controls { get; } = controls;

        public byte* Indexes { get; } = indexes;
    }
}
