using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Udp;

/// <summary>
/// One family's half of a <see cref="UdpPort"/>: a socket, or none while closed. The port, one thread at a time, replaces the socket; any
/// number of threads send meanwhile, and one receives.
/// </summary>
internal sealed unsafe class UdpSocket(bool ipv6, Epoll epoll, UdpCounters counters)
{
    /// <summary>Datagrams a system call; what belongs to them is on the stack: no state, so that any number of threads may send.</summary>
    public const int BatchLength = 64;

    /// <summary>Bytes of control messages a datagram: addresses (40), ECN (24), and a segment length (24) to come.</summary>
    private const int ControlLength = 96;

    /// <summary>What the kernel queues each way, as other implementations ask for: 7 MB ride out some 10 ms of a full 5 Gbit/s.</summary>
    private const int QueueBytes = 7 << 20;

    /// <summary>Errors in a row that may stand in a socket's queue before a datagram; with more, others get their turn first.</summary>
    private const int PatienceWithErrors = 8;

    private readonly int _addressLength = ipv6 ? 16 : 4;
    private volatile SharedDescriptor? _current;

    /// <summary>Whether there is a socket.</summary>
    public bool IsOpen => _current is not null;

    private string Family => ipv6 ? "IPv6" : "IPv4";

    /// <summary>A new socket bound to a port of this family, which nobody knows yet.</summary>
    /// <param name="port">The port; 0 for a free one, which is put here.</param>
    /// <param name="mark">The firewall mark of what is sent; 0 for none.</param>
    /// <returns>The socket; null where this machine does not speak the family.</returns>
    /// <exception cref="LinuxException">The port cannot be had.</exception>
    public Descriptor? Bind(ref ushort port, uint mark)
    {
        int number = Libc.socket(ipv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0);
        if (number < 0 && Marshal.GetLastPInvokeError() == Errno.EAFNOSUPPORT)
            return null;
        Descriptor socket = Descriptor.From(number, "create UDP socket for", Family);
        try
        {
            Configure(socket.Number, mark);
            var any = new Endpoint(ipv6 ? IpAddress.IPv6(0) : IpAddress.IPv4(0), port);
            byte* address = stackalloc byte[SocketAddress.MaximumLength];
            uint length = SocketAddress.Write(any, address);
            if (Libc.bind(socket.Number, address, length) < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error != Errno.EADDRNOTAVAIL)
                    throw new LinuxException(error, "bind", $"UDP port {port} on {Family}");
                socket.Dispose();
                return null;
            }
            _ = Descriptor.Check(Libc.getsockname(socket.Number, address, &length), "read the address of", "UDP socket");
            port = SocketAddress.Read(address).Port;
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Replaces the socket. When this returns, the old one is closed and its port free.</summary>
    /// <param name="socket">The new one, from now on owned by this object; null for none.</param>
    public void Replace(Descriptor? socket)
    {
        SharedDescriptor? old = _current;
        if (socket is not null)
            epoll.Add(socket.Number);
        if (old is not null)
        {
            epoll.Remove(old.Number);
            counters.CountReceiveQueueFull(KernelDrops());
        }
        _current = socket is null ? null : new SharedDescriptor(socket);
        old?.Close();
    }

    /// <summary>Sets the firewall mark of what is sent from now on, where there is a socket. Not while it is being replaced.</summary>
    public void SetMark(uint mark)
    {
        if (_current is { } socket)
            Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_MARK, (int)mark, "SO_MARK");
    }

    /// <summary>Datagrams that this socket's queue had no room for. Not while it is being replaced.</summary>
    public long KernelDrops()
    {
        const int DropsIndex = 8; // SK_MEMINFO_DROPS
        uint* values = stackalloc uint[DropsIndex + 1];
        uint length = (DropsIndex + 1) * sizeof(uint);
        if (_current is not { } socket || Libc.getsockopt(socket.Number, Libc.SOL_SOCKET, Libc.SO_MEMINFO, values, &length) < 0)
            return 0;
        return values[DropsIndex];
    }

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

    /// <summary>Sends those datagrams of at most <see cref="BatchLength"/> whose destination is of this family.</summary>
    /// <returns>How many the kernel took.</returns>
    [SkipLocalsInit]
    public int Send(ReadOnlySpan<PacketBuffer> buffers)
    {
        Libc.Mmsghdr* messages = stackalloc Libc.Mmsghdr[BatchLength];
        Libc.Iovec* vectors = stackalloc Libc.Iovec[BatchLength];
        Libc.SockaddrIn6* names = stackalloc Libc.SockaddrIn6[BatchLength];
        byte* controls = stackalloc byte[BatchLength * ControlLength];
        byte* indexes = stackalloc byte[BatchLength];
        int count = 0;
        for (int i = 0; i < buffers.Length; i++)
        {
            PacketBuffer buffer = buffers[i];
            if (buffer.Destination.Address.Size != _addressLength)
                continue;
            uint nameLength = SocketAddress.Write(buffer.Destination, (byte*)(names + count));
            byte* control = controls + count * ControlLength;
            vectors[count] = new() { Base = buffer.Address + buffer.Offset, Length = (nuint)buffer.Length };
            messages[count] = Message(names + count, nameLength, vectors + count, control, WriteControl(buffer, control));
            indexes[count++] = (byte)i;
        }
        if (count == 0)
            return 0;
        if (Acquire() is not { } socket)
        {
            counters.CountClosed(count);
            return 0;
        }

        int taken = 0;
        int next = 0;
        while (next < count)
        {
            int sent = Libc.sendmmsg(socket.Number, messages + next, (uint)(count - next), Libc.MSG_DONTWAIT);
            if (sent > 0)
            {
                taken += sent;
                next += sent;
                continue;
            }
            // The first of the rest failed, the others have not been tried.
            int error = Marshal.GetLastPInvokeError();
            PacketBuffer failed = buffers[indexes[next]];
            if (error == Errno.EINTR)
                continue;
            if (!failed.Source.IsNone && MayBeTheSource(error))
            {
                failed.Source = default;
                byte* control = controls + next * ControlLength;
                messages[next].Header.ControlLength = WriteControl(failed, control);
                continue;
            }
            if (error == Errno.EAGAIN)
            {
                // The socket's queue is full: the rest would meet the same.
                counters.CountLost(error, count - next);
                break;
            }
            counters.CountLost(error, 1);
            next++;
        }
        socket.Release();
        return taken;
    }

    private static Libc.Mmsghdr Message(void* name, uint nameLength, Libc.Iovec* vector, byte* control, nuint controlLength) => new()
    {
        Header = new()
        {
            Name = name,
            NameLength = nameLength,
            Iov = vector,
            IovLength = 1,
            Control = control,
            ControlLength = controlLength,
        },
    };

    private static bool MayBeTheSource(int error) => error
        is Errno.EINVAL or Errno.ENETUNREACH or Errno.EADDRNOTAVAIL or Errno.EHOSTUNREACH or Errno.ENODEV or Errno.ENXIO or Errno.ENETDOWN;

    private static void Set(int socket, int level, int option, int value, string name) =>
        Descriptor.Check(Libc.setsockopt(socket, level, option, &value, sizeof(int)), "set", $"{name} of UDP socket");

    private static void SetQueue(int socket, int forced, int bounded)
    {
        // Beyond net.core.{r,w}mem_max only with CAP_NET_ADMIN; otherwise up to there. A short queue is no reason to fail.
        int bytes = QueueBytes;
        if (Libc.setsockopt(socket, Libc.SOL_SOCKET, forced, &bytes, sizeof(int)) < 0)
            _ = Libc.setsockopt(socket, Libc.SOL_SOCKET, bounded, &bytes, sizeof(int));
    }

    /// <summary>The socket of now, which stays open until it is released; null where there is none.</summary>
    private SharedDescriptor? Acquire()
    {
        // One that cannot be acquired has just been replaced.
        while (_current is { } socket)
        {
            if (socket.TryAcquire())
                return socket;
        }
        return null;
    }

    private void Configure(int socket, uint mark)
    {
        // Outer packets may be fragmented, here and by routers: WireGuard does no path MTU discovery of its own, and a
        // lost "fragmentation needed" would make a black hole of the tunnel.
        if (ipv6)
        {
            Set(socket, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, 1, "IPV6_V6ONLY");
            Set(socket, Libc.IPPROTO_IPV6, Libc.IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO");
            Set(socket, Libc.IPPROTO_IPV6, Libc.IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS");
            Set(socket, Libc.IPPROTO_IPV6, Libc.IPV6_MTU_DISCOVER, Libc.IP_PMTUDISC_DONT, "IPV6_MTU_DISCOVER");
        }
        else
        {
            Set(socket, Libc.IPPROTO_IP, Libc.IP_PKTINFO, 1, "IP_PKTINFO");
            Set(socket, Libc.IPPROTO_IP, Libc.IP_RECVTOS, 1, "IP_RECVTOS");
            Set(socket, Libc.IPPROTO_IP, Libc.IP_MTU_DISCOVER, Libc.IP_PMTUDISC_DONT, "IP_MTU_DISCOVER");
        }
        SetQueue(socket, Libc.SO_RCVBUFFORCE, Libc.SO_RCVBUF);
        SetQueue(socket, Libc.SO_SNDBUFFORCE, Libc.SO_SNDBUF);
        if (mark != 0)
            Set(socket, Libc.SOL_SOCKET, Libc.SO_MARK, (int)mark, "SO_MARK");
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
                case (Libc.IPPROTO_IP, Libc.IP_TOS): // one byte
                    buffer.Ecn = (byte)(control.Value[0] & 3);
                    break;
                case (Libc.IPPROTO_IPV6, Libc.IPV6_TCLASS): // an int
                    buffer.Ecn = (byte)(MemoryMarshal.Read<int>(control.Value) & 3);
                    break;
            }
        }
    }

    private nuint WriteControl(PacketBuffer buffer, byte* memory)
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
        return control.Length;
    }
}
