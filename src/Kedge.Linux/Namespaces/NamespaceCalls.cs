using System.Runtime.InteropServices;

namespace Kedge.Linux.Namespaces;

/// <summary>
/// The system calls that network namespaces need, as libc declares them. <see cref="NetworkNamespace"/> is the way to use them.
/// </summary>
internal static partial class NamespaceCalls
{
    internal const int CloneNewNetwork = 0x40000000; // CLONE_NEWNET
    internal const int OpenReadOnly = 0;
    internal const int OpenCreate = 0x40; // O_CREAT
    internal const int OpenExclusive = 0x80; // O_EXCL
    internal const int OpenCloseOnExec = 0x80000; // O_CLOEXEC
    internal const int LockExclusive = 2; // LOCK_EX
    internal const ulong MountBind = 0x1000; // MS_BIND
    internal const ulong MountRecursive = 0x4000; // MS_REC
    internal const ulong MountShared = 0x100000; // MS_SHARED
    internal const int UnmountDetach = 2; // MNT_DETACH
    internal const int AtCurrentDirectory = -100; // AT_FDCWD
    internal const uint StatInode = 0x100; // STATX_INO
    internal const int NoSuchFile = 2; // ENOENT
    internal const int Exists = 17; // EEXIST
    internal const int Invalid = 22; // EINVAL

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    internal static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    internal static partial int SetNamespace(int fd, int type);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    internal static partial int Lock(int fd, int operation);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Mount(string source, string target, string? type, ulong flags, nint data);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Unmount(string target, int flags);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Unlink(string path);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    internal static partial int Kill(int processId, int signal);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Stat(int directory, string path, int flags, uint mask, out FileStatus status);

    /// <summary><c>struct statx</c>, which is the same on every architecture; only the inode is of interest here.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct FileStatus
    {
        [FieldOffset(32)]
        public ulong Inode;
    }
}
