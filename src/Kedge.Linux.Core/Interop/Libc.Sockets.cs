using System.Runtime.InteropServices;

namespace Kedge.Linux.Interop;

/// <summary>Sockets and interfaces.</summary>
internal static unsafe partial class Libc
{
    internal const int AF_UNIX = 1;
    internal const int AF_INET = 2;
    internal const int AF_INET6 = 10;
    internal const int AF_NETLINK = 16;

    internal const int SOCK_DGRAM = 2;
    internal const int SOCK_RAW = 3;
    internal const int SOCK_NONBLOCK = 0x800;
    internal const int SOCK_CLOEXEC = 0x80000;

    internal const int SOL_SOCKET = 1;
    internal const int SO_SNDBUF = 7;
    internal const int SO_RCVBUF = 8;
    internal const int SO_SNDBUFFORCE = 32;
    internal const int SO_REUSEPORT = 15;
    internal const int SO_RCVBUFFORCE = 33;
    internal const int SO_MARK = 36;
    internal const int SO_MEMINFO = 55;

    internal const int IPPROTO_IP = 0;
    internal const int IP_TOS = 1;
    internal const int IP_TTL = 2;
    internal const int IP_PKTINFO = 8;
    internal const int IP_MTU_DISCOVER = 10;
    internal const int IP_RECVTOS = 13;
    internal const int IP_PMTUDISC_DONT = 0;
    internal const int IP_PMTUDISC_PROBE = 3;
    internal const int IP_PMTUDISC_OMIT = 5;

    internal const int IPPROTO_IPV6 = 41;
    internal const int IPV6_MTU_DISCOVER = 23;
    internal const int IPV6_V6ONLY = 26;
    internal const int IPV6_RECVPKTINFO = 49;
    internal const int IPV6_PKTINFO = 50;
    internal const int IPV6_HOPLIMIT = 52;
    internal const int IPV6_RECVTCLASS = 66;
    internal const int IPV6_TCLASS = 67;

    internal const int SOL_UDP = 17;
    internal const int UDP_SEGMENT = 103;
    internal const int UDP_GRO = 104;

    internal const int MSG_TRUNC = 0x20;
    internal const int MSG_DONTWAIT = 0x40;

    internal const nuint SIOCGIFMTU = 0x8921;
    internal const nuint SIOCSIFMTU = 0x8922;
    internal const nuint SIOCSIFTXQLEN = 0x8943;
    internal const nuint TUNSETIFF = 0x400454CA;
    internal const nuint TUNSETPERSIST = 0x400454CB;
    internal const nuint TUNSETOFFLOAD = 0x400454D0;
    internal const nuint TUNGETIFF = 0x800454D2;
    internal const nuint TUNSETVNETHDRSZ = 0x400454D8;
    internal const nuint TUNSETQUEUE = 0x400454D9;
    internal const nuint TUNGETDEVNETNS = 0x54E3;

    internal const nint TUN_F_CSUM = 0x01;
    internal const nint TUN_F_TSO4 = 0x02;
    internal const nint TUN_F_TSO6 = 0x04;
    internal const nint TUN_F_TSO_ECN = 0x08;
    internal const nint TUN_F_USO4 = 0x20;
    internal const nint TUN_F_USO6 = 0x40;

    internal const short IFF_TUN = 0x0001;
    internal const short IFF_MULTI_QUEUE = 0x0100;
    internal const short IFF_DETACH_QUEUE = 0x0400;
    internal const short IFF_NO_PI = 0x1000;
    internal const short IFF_VNET_HDR = 0x4000;
    internal const int IFNAMSIZ = 16;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int socket(int family, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int bind(int fd, void* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getsockname(int fd, void* address, uint* length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setsockopt(int fd, int level, int option, void* value, uint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getsockopt(int fd, int level, int option, void* value, uint* length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint send(int fd, void* buffer, nuint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint recvfrom(int fd, void* buffer, nuint length, int flags, void* address, uint* addressLength);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial uint if_nametoindex(string name);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial byte* if_indextoname(uint index, byte* name);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int sendmmsg(int fd, Mmsghdr* messages, uint count, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int recvmmsg(int fd, Mmsghdr* messages, uint count, int flags, Timespec* timeout);
}
