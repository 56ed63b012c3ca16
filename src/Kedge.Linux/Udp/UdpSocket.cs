using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Udp;

/// <summary>
/// One family's half of a <see cref="UdpSocketPair"/>: a socket, or none while closed. The port, one thread at a time, replaces the socket;
/// any number of threads send meanwhile, and one receives.
/// </summary>
/// <param name="ipv6">Which family.</param>
/// <param name="local">The local address to be bound to, of either family; none for all addresses.</param>
/// <param name="withOffloads">Whether to have the kernel cut what is sent and join what is received, where it can.</param>
/// <param name="epoll">What waits for the socket.</param>
/// <param name="counters">Where losses are counted.</param>
internal sealed unsafe partial class UdpSocket(bool ipv6, Endpoint local, bool withOffloads, Epoll epoll, UdpCounters counters)
{
    /// <summary>Messages a system call; what belongs to them is on the stack: no state, so that any number of threads may send.</summary>
    public const int BatchLength = 64;

    /// <summary>Bytes of control messages a message: addresses (40), ECN, the time to live, and the length of a run's datagrams (24 each).</summary>
    private const int ControlLength = 112;

    /// <summary>What the kernel queues each way, as other implementations ask for: 7 MB ride out some 10 ms of a full 5 Gbit/s.</summary>
    private const int QueueBytes = 7 << 20;

    private readonly int _addressLength = ipv6 ? 16 : 4;
    private volatile SharedDescriptor? _current;
    private volatile UdpOffloads _offloads;

    /// <summary>Whether there is a socket.</summary>
    public bool IsOpen => _current is not null;

    /// <summary>What the kernel does for the socket that was bound last.</summary>
    public UdpOffloads Offloads => _offloads;

    // Outer packets may be fragmented, here and by routers: a lost "fragmentation needed" would make a black hole of the tunnel. Over IPv4
    // the kernel does not believe these either, which anybody can forge: it would refuse all longer runs. Over IPv6, where routers do not
    // fragment, it has to, for peers whose paths are not measured.
    private int UsualDiscovery => ipv6 ? Libc.IP_PMTUDISC_DONT : Libc.IP_PMTUDISC_OMIT;

    private string Family => ipv6 ? "IPv6" : "IPv4";

    /// <summary>A new socket bound to a port of this family, which nobody knows yet.</summary>
    /// <param name="port">The port; 0 for a free one, which is put here.</param>
    /// <param name="mark">The firewall mark of what is sent; 0 for none.</param>
    /// <param name="sharesPort">Whether others may have the port already, see <see cref="SharePort"/>.</param>
    /// <returns>The socket; null where this machine does not speak the family, or the local address is of the other.</returns>
    /// <exception cref="LinuxException">The port cannot be had.</exception>
    public Descriptor? Bind(ref ushort port, uint mark, bool sharesPort)
    {
        if (!local.IsNone && local.Address.IsIPv6 != ipv6)
            return null;
        int number = Libc.socket(ipv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0);
        if (number < 0 && Marshal.GetLastPInvokeError() == Errno.EAFNOSUPPORT)
            return null;
        Descriptor socket = Descriptor.From(number, "create UDP socket for", Family);
        try
        {
            Configure(socket.Number, mark);
            if (sharesPort)
                SharePort(socket);
            Endpoint bound = local.IsNone ? new(ipv6 ? IpAddress.IPv6(0) : IpAddress.IPv4(0), port) : local with { Port = port };
            byte* address = stackalloc byte[SocketAddress.MaximumLength];
            uint length = SocketAddress.Write(bound, address);
            if (Libc.bind(socket.Number, address, length) < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error != Errno.EADDRNOTAVAIL || !local.IsNone)
                    throw new LinuxException(error, "bind", $"UDP port {port} on {(local.IsNone ? Family : local.Address)}");
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

    /// <summary>
    /// Lets a socket have its port together with others of this user that do so too, and get those datagrams that the kernel, by the hash
    /// of their addresses and ports, gives it (<c>SO_REUSEPORT</c>). One that is bound already lets those that follow have its port.
    /// </summary>
    public static void SharePort(Descriptor? socket)
    {
        if (socket is not null)
            Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_REUSEPORT, 1, "SO_REUSEPORT");
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

    private static void Set(int socket, int level, int option, int value, string name) =>
        Descriptor.Check(Libc.setsockopt(socket, level, option, &value, sizeof(int)), "set", $"{name} of UDP socket");

    private static void SetQueue(int socket, int forced, int bounded)
    {
        // Beyond net.core.{r,w}mem_max only with CAP_NET_ADMIN; otherwise up to there. A short queue is no reason to fail.
        int bytes = QueueBytes;
        if (Libc.setsockopt(socket, Libc.SOL_SOCKET, forced, &bytes, sizeof(int)) < 0)
            _ = Libc.setsockopt(socket, Libc.SOL_SOCKET, bounded, &bytes, sizeof(int));
    }

    /// <summary>
    /// Finds out what this kernel has. It must be known before anything is sent: a kernel without <c>UDP_SEGMENT</c> does not refuse a
    /// control message that it does not know, but sends a run as one long datagram.
    /// </summary>
    private static UdpOffloads SetOffloads(int socket)
    {
        int value;
        uint length = sizeof(int);
        bool hasSegmentation = Libc.getsockopt(socket, Libc.SOL_UDP, Libc.UDP_SEGMENT, &value, &length) >= 0;
        value = 1;
        bool hasCoalescing = Libc.setsockopt(socket, Libc.SOL_UDP, Libc.UDP_GRO, &value, sizeof(int)) >= 0;
        return (hasSegmentation ? UdpOffloads.Segmentation : 0) | (hasCoalescing ? UdpOffloads.Coalescing : 0);
    }

    // What other threads send meanwhile bears DF too, which does no harm once.
    private bool TrySetDiscovery(int socket, int mode) => ipv6
        ? Libc.setsockopt(socket, Libc.IPPROTO_IPV6, Libc.IPV6_MTU_DISCOVER, &mode, sizeof(int)) >= 0
        : Libc.setsockopt(socket, Libc.IPPROTO_IP, Libc.IP_MTU_DISCOVER, &mode, sizeof(int)) >= 0;

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
        if (ipv6)
        {
            Set(socket, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, 1, "IPV6_V6ONLY");
            Set(socket, Libc.IPPROTO_IPV6, Libc.IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO");
            Set(socket, Libc.IPPROTO_IPV6, Libc.IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS");
            Set(socket, Libc.IPPROTO_IPV6, Libc.IPV6_MTU_DISCOVER, UsualDiscovery, "IPV6_MTU_DISCOVER");
        }
        else
        {
            Set(socket, Libc.IPPROTO_IP, Libc.IP_PKTINFO, 1, "IP_PKTINFO");
            Set(socket, Libc.IPPROTO_IP, Libc.IP_RECVTOS, 1, "IP_RECVTOS");
            Set(socket, Libc.IPPROTO_IP, Libc.IP_MTU_DISCOVER, UsualDiscovery, "IP_MTU_DISCOVER");
        }
        SetQueue(socket, Libc.SO_RCVBUFFORCE, Libc.SO_RCVBUF);
        SetQueue(socket, Libc.SO_SNDBUFFORCE, Libc.SO_SNDBUF);
        if (mark != 0)
            Set(socket, Libc.SOL_SOCKET, Libc.SO_MARK, (int)mark, "SO_MARK");
        _offloads = withOffloads ? SetOffloads(socket) : UdpOffloads.None;
    }
}
