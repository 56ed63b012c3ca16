using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Udp;

/// <summary>
/// Finds out which routers a datagram passes first, as traceroute does, on IPv4. By sockets of its own: a socket that is told of errors is not
/// fit to carry data, because the next thing that it sends fails with them.
/// </summary>
public static unsafe class RouteTrace
{
    private const int IP_RECVERR = 11;
    private const int MSG_ERRQUEUE = 0x2000;
    private const int ErrorSize = 16; // struct sock_extended_err, behind which is who has sent the error

    /// <summary>Sends a datagram for each of the first routers that dies there, and gathers who tells so. Blocks.</summary>
    /// <param name="destination">Where the way leads, an IPv4 endpoint. It gets nothing unless it is nearer than <paramref name="count"/> routers.</param>
    /// <param name="datagram">What is sent.</param>
    /// <param name="count">How many routers, 1 to 16.</param>
    /// <param name="mark">The firewall mark of what is sent; 0 for none.</param>
    /// <param name="time">How long answers are awaited.</param>
    /// <param name="isEnough">Whether what has been found so far is enough.</param>
    /// <returns>The address of each router, in order; none for one that has not answered.</returns>
    /// <exception cref="LinuxException">No socket can be had.</exception>
    public static IReadOnlyList<IpAddress> FindRouters(Endpoint destination, ReadOnlySpan<byte> datagram, int count, uint mark, TimeSpan time, Predicate<IReadOnlyList<IpAddress>> isEnough)
    {
        var routers = new IpAddress[count];
        var sockets = new List<Descriptor>(count);
        try
        {
            for (int hop = 1; hop <= count; hop++)
            {
                sockets.Add(Open(hop, mark));
                Send(sockets[^1], destination, datagram);
            }
            Instant end = BootClock.Now + time;
            Libc.Pollfd[] waiting = [.. sockets.Select(socket => new Libc.Pollfd { Descriptor = socket.Number })]; // errors are always awaited
            while (!isEnough(routers) && waiting.Any(one => one.Descriptor >= 0) && Poll.Wait(waiting, end))
            {
                for (int i = 0; i < waiting.Length; i++)
                {
                    if (waiting[i].Returned == 0)
                        continue;
                    routers[i] = ReadRouter(sockets[i]);
                    waiting[i] = new() { Descriptor = -1 }; // which poll(2) passes over
                }
            }
            return routers;
        }
        finally
        {
            foreach (Descriptor socket in sockets)
                socket.Dispose();
        }
    }

    private static Descriptor Open(int timeToLive, uint mark)
    {
        Descriptor socket = Descriptor.From(
            Libc.socket(Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0), "create UDP socket for", "IPv4");
        int one = 1;
        _ = Libc.setsockopt(socket.Number, Libc.IPPROTO_IP, Libc.IP_TTL, &timeToLive, sizeof(int));
        _ = Libc.setsockopt(socket.Number, Libc.IPPROTO_IP, IP_RECVERR, &one, sizeof(int));
        if (mark != 0)
            _ = Libc.setsockopt(socket.Number, Libc.SOL_SOCKET, Libc.SO_MARK, &mark, sizeof(uint)); // without CAP_NET_ADMIN it goes unmarked
        return socket;
    }

    private static void Send(Descriptor socket, Endpoint destination, ReadOnlySpan<byte> datagram)
    {
        byte* name = stackalloc byte[SocketAddress.MaximumLength];
        fixed (byte* bytes = datagram)
        {
            var vector = new Libc.Iovec { Base = bytes, Length = (nuint)datagram.Length };
            var message = new Libc.Mmsghdr
            {
                Header = new() { Name = name, NameLength = SocketAddress.Write(destination, name), Iov = &vector, IovLength = 1 },
            };
            _ = Libc.sendmmsg(socket.Number, &message, 1, Libc.MSG_DONTWAIT); // where nothing can be sent, nobody answers
        }
    }

    private static IpAddress ReadRouter(Descriptor socket)
    {
        const int ControlSize = 128;
        byte* control = stackalloc byte[ControlSize];
        byte* datagram = stackalloc byte[64];
        var vector = new Libc.Iovec { Base = datagram, Length = 64 };
        var message = new Libc.Mmsghdr { Header = new() { Iov = &vector, IovLength = 1, Control = control, ControlLength = ControlSize } };
        if (Libc.recvmmsg(socket.Number, &message, 1, Libc.MSG_DONTWAIT | MSG_ERRQUEUE, null) < 1)
            return default;
        var reader = new ControlReader(control, message.Header.ControlLength);
        while (reader.MoveNext())
        {
            if (reader.Kind == (Libc.IPPROTO_IP, IP_RECVERR) && reader.Value.Length >= ErrorSize + sizeof(Libc.SockaddrIn))
                return IpAddress.FromBytes(reader.Value.Slice(ErrorSize + (int)Marshal.OffsetOf<Libc.SockaddrIn>(nameof(Libc.SockaddrIn.Address)), 4));
        }
        return default;
    }
}
