using System.Runtime.InteropServices;

namespace Kedge.Linux.Interop;

/// <summary>TCP, and waiting for many descriptors.</summary>
internal static unsafe partial class Libc
{
    internal const int SOCK_STREAM = 1;
    internal const int SOL_TCP = 6;
    internal const int TCP_NODELAY = 1;
    internal const int SO_REUSEADDR = 2;
    internal const int SO_ERROR = 4;
    internal const int SO_LINGER = 13;
    internal const int SHUT_WR = 1;
    internal const int MSG_NOSIGNAL = 0x4000;
    internal const int EPOLL_CTL_MOD = 3;
    internal const uint EPOLLOUT = 4;
    internal const uint EPOLLRDHUP = 0x2000;
    internal const int PR_SET_TIMERSLACK = 29;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int listen(int fd, int backlog);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int accept4(int fd, void* address, uint* length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int connect(int fd, void* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int shutdown(int fd, int how);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint sendmsg(int fd, Msghdr* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint readv(int fd, Iovec* vectors, int count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_pwait2(int epfd, void* events, int maxevents, Timespec* timeout, void* mask);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int prctl(int option, nint argument2, nint argument3, nint argument4, nint argument5);

    /// <summary><c>struct linger</c>.</summary>
    internal struct Linger
    {
        public int OnOff;
        public int Seconds;
    }
}
