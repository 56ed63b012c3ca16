using System.Runtime.InteropServices;

namespace Kedge.Linux.Interop;

#pragma warning disable CS0649 // Never assigned here: the kernel fills these fields in, or wants them zero.

/// <summary>Structures, laid out as on every 64-bit Linux.</summary>
internal static unsafe partial class Libc
{
    /// <summary><c>struct timespec</c>.</summary>
    internal struct Timespec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }

    /// <summary><c>struct itimerspec</c>.</summary>
    internal struct Itimerspec
    {
        public Timespec Interval;
        public Timespec Value;
    }

    /// <summary><c>struct pollfd</c>.</summary>
    internal struct Pollfd
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    /// <summary><c>struct iovec</c>.</summary>
    internal struct Iovec
    {
        public void* Base;
        public nuint Length;
    }

    /// <summary><c>struct msghdr</c>.</summary>
    internal struct Msghdr
    {
        public void* Name;
        public uint NameLength;
        public Iovec* Iov;
        public nuint IovLength;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary><c>struct mmsghdr</c>.</summary>
    internal struct Mmsghdr
    {
        public Msghdr Header;
        public uint Length;
    }

    /// <summary><c>struct cmsghdr</c>.</summary>
    internal struct Cmsghdr
    {
        public nuint Length;
        public int Level;
        public int Type;
    }

    /// <summary><c>struct sockaddr_in</c>; port and address in network order.</summary>
    internal struct SockaddrIn
    {
        public ushort Family;
        public ushort Port;
        public uint Address;
        public ulong Zero;
    }

    /// <summary><c>struct sockaddr_in6</c>; port and address in network order, the scope an interface's index.</summary>
    internal struct SockaddrIn6
    {
        public ushort Family;
        public ushort Port;
        public uint FlowInfo;
        public fixed byte Address[16];
        public uint ScopeId;
    }

    /// <summary><c>struct in_pktinfo</c>; addresses in network order.</summary>
    internal struct InPktinfo
    {
        public int InterfaceIndex;
        public uint LocalAddress;
        public uint HeaderAddress;
    }

    /// <summary><c>struct in6_pktinfo</c>.</summary>
    internal struct In6Pktinfo
    {
        public fixed byte Address[16];
        public uint InterfaceIndex;
    }

    /// <summary><c>struct ifreq</c>: a name and a union of which only flags and integers are used here.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 40)]
    internal struct Ifreq
    {
        [FieldOffset(0)]
        public fixed byte Name[IFNAMSIZ];

        [FieldOffset(IFNAMSIZ)]
        public short Flags;

        [FieldOffset(IFNAMSIZ)]
        public int Value;
    }

    /// <summary><c>struct virtio_net_hdr</c>, without what newer forms have behind it; in the machine's order.</summary>
    internal struct VirtioNetHdr
    {
        public byte Flags;
        public byte GsoType;
        public ushort HeaderLength;
        public ushort GsoSize;
        public ushort ChecksumStart;
        public ushort ChecksumOffset;
    }

    /// <summary><c>struct sockaddr_nl</c>.</summary>
    internal struct SockaddrNl
    {
        public ushort Family;
        public ushort Padding;
        public uint PortId;
        public uint Groups;
    }

    /// <summary><c>struct nlmsghdr</c>.</summary>
    internal struct Nlmsghdr
    {
        public uint Length;
        public ushort Type;
        public ushort Flags;
        public uint Sequence;
        public uint PortId;
    }

    /// <summary><c>struct ifinfomsg</c>.</summary>
    internal struct Ifinfomsg
    {
        public byte Family;
        public byte Padding;
        public ushort Type;
        public int Index;
        public uint Flags;
        public uint Change;
    }

    /// <summary><c>struct flock</c> with 64-bit offsets; all zero but the type is the whole file.</summary>
    internal struct Flock
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int ProcessId;
    }

    /// <summary><c>struct rtattr</c>.</summary>
    internal struct Rtattr
    {
        public ushort Length;
        public ushort Type;
    }
}
