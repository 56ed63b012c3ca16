using System.Runtime.InteropServices;

namespace Kedge.Linux.Interop;

/// <summary>
/// The C library as its manual pages declare it: names, constants and arguments verbatim, nothing checked. Everything that
/// is safe to call stands in the other types of this assembly. This part: descriptors, waiting and time.
/// </summary>
internal static unsafe partial class Libc
{
    internal const int O_RDONLY = 0;
    internal const int O_RDWR = 2;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_CLOEXEC = 0x80000;

    internal const int F_SETFD = 2;
    internal const int F_GETFL = 3;
    internal const int F_SETFL = 4;
    internal const int FD_CLOEXEC = 1;

    internal const int EFD_NONBLOCK = 0x800;
    internal const int EFD_CLOEXEC = 0x80000;

    internal const int EPOLL_CLOEXEC = 0x80000;
    internal const int EPOLL_CTL_ADD = 1;
    internal const int EPOLL_CTL_DEL = 2;
    internal const uint EPOLLIN = 1;
    internal const uint EPOLLERR = 8;
    internal const uint EPOLLHUP = 0x10;
    internal const uint EPOLLET = 1u << 31;

    internal const short POLLIN = 1;
    internal const short POLLOUT = 4;

    internal const int CLOCK_BOOTTIME = 7;
    internal const int TFD_NONBLOCK = 0x800;
    internal const int TFD_CLOEXEC = 0x80000;
    internal const int TFD_TIMER_ABSTIME = 1;

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int open(string path, int flags, int mode);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint read(int fd, void* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint write(int fd, void* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int ioctl(int fd, nuint request, void* argument);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fcntl(int fd, int command, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_ctl(int epfd, int operation, int fd, void* @event);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_wait(int epfd, void* events, int maxevents, int timeout);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int poll(Pollfd* descriptors, nuint count, int timeout);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int timerfd_create(int clock, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int timerfd_settime(int fd, int flags, Itimerspec* value, Itimerspec* old);

    // Answered without entering the kernel, so that the collector can wait for it.
    [LibraryImport("libc")]
    [SuppressGCTransition]
    internal static partial int clock_gettime(int clock, Timespec* time);
}
