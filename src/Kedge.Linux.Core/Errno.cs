namespace Kedge.Linux;

/// <summary>The error numbers that this program tells apart, named as errno(3) does; the same on x86-64 and ARM64.</summary>
public static class Errno
{
    /// <summary>Operation not permitted; a firewall's output chain says so too.</summary>
    public const int EPERM = 1;

    /// <summary>No such file, address or device name.</summary>
    public const int ENOENT = 2;

    /// <summary>No such process; of a route, that there is none.</summary>
    public const int ESRCH = 3;

    /// <summary>Interrupted by a signal: to be tried again.</summary>
    public const int EINTR = 4;

    /// <summary>The device cannot do this now: on a TUN, the interface is down.</summary>
    public const int EIO = 5;

    /// <summary>No such device or address.</summary>
    public const int ENXIO = 6;

    /// <summary>No such descriptor.</summary>
    public const int EBADF = 9;

    /// <summary>Nothing now, or no room now.</summary>
    public const int EAGAIN = 11;

    /// <summary>No memory.</summary>
    public const int ENOMEM = 12;

    /// <summary>Permission denied.</summary>
    public const int EACCES = 13;

    /// <summary>Bad address; a TUN whose interface is being deleted says so too.</summary>
    public const int EFAULT = 14;

    /// <summary>Somebody else has it.</summary>
    public const int EBUSY = 16;

    /// <summary>It exists already.</summary>
    public const int EEXIST = 17;

    /// <summary>No such device or interface.</summary>
    public const int ENODEV = 19;

    /// <summary>An argument makes no sense.</summary>
    public const int EINVAL = 22;

    /// <summary>The machine has no descriptors left.</summary>
    public const int ENFILE = 23;

    /// <summary>The process has no descriptors left.</summary>
    public const int EMFILE = 24;

    /// <summary>The file is too long.</summary>
    public const int EFBIG = 27;

    /// <summary>The file system is mounted read-only.</summary>
    public const int EROFS = 30;

    /// <summary>Nobody reads the other end of a pipe or socket.</summary>
    public const int EPIPE = 32;

    /// <summary>Too many symbolic links, or links in a circle.</summary>
    public const int ELOOP = 40;

    /// <summary>It took too long.</summary>
    public const int ETIME = 62;

    /// <summary>The descriptor is in no state for this: on a TUN, its interface is gone.</summary>
    public const int EBADFD = 77;

    /// <summary>The datagram is too long.</summary>
    public const int EMSGSIZE = 90;

    /// <summary>The kernel cannot do this, or not for this family.</summary>
    public const int EOPNOTSUPP = 95;

    /// <summary>The kernel has no such address family.</summary>
    public const int EAFNOSUPPORT = 97;

    /// <summary>The port is taken.</summary>
    public const int EADDRINUSE = 98;

    /// <summary>The address is not one of this machine.</summary>
    public const int EADDRNOTAVAIL = 99;

    /// <summary>The interface is down.</summary>
    public const int ENETDOWN = 100;

    /// <summary>No route.</summary>
    public const int ENETUNREACH = 101;

    /// <summary>No buffer space.</summary>
    public const int ENOBUFS = 105;

    /// <summary>Nobody has answered in time.</summary>
    public const int ETIMEDOUT = 110;

    /// <summary>Nobody listens there.</summary>
    public const int ECONNREFUSED = 111;

    /// <summary>No route to the host, or a route that says so.</summary>
    public const int EHOSTUNREACH = 113;

    /// <summary>It is being done.</summary>
    public const int EINPROGRESS = 115;
}
