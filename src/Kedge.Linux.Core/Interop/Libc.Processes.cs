using System.Runtime.InteropServices;

namespace Kedge.Linux.Interop;

/// <summary>Processes. The functions of posix_spawn return an error number and leave errno alone.</summary>
internal static unsafe partial class Libc
{
    internal const short POSIX_SPAWN_SETSIGDEF = 0x04;
    internal const short POSIX_SPAWN_SETSIGMASK = 0x08;
    internal const short POSIX_SPAWN_SETSID = 0x80;
    internal const uint CLOSE_RANGE_CLOEXEC = 4;
    internal const int SIGPIPE = 13;
    internal const int SIGCHLD = 17;
    internal const int SIG_DFL = 0;
    internal const int M_ARENA_MAX = -8;

    /// <summary>Sets a parameter of the C library's heap; 1 where it was taken.</summary>
    [LibraryImport("libc")]
    internal static partial int mallopt(int parameter, int value);

    /// <summary>Returns free pages; keeps so many bytes at the end of the heap.</summary>
    [LibraryImport("libc")]
    internal static partial int malloc_trim(nuint pad);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int execv(byte* path, byte** argv);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int posix_spawn(int* pid, string path, void* actions, void* attributes, byte** argv, byte** envp);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_init(void* attributes);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_destroy(void* attributes);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setsigmask(void* attributes, void* set);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setsigdefault(void* attributes, void* set);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_init(void* actions);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_destroy(void* actions);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int posix_spawn_file_actions_addopen(void* actions, int fd, string path, int flags, uint mode);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_adddup2(void* actions, int fd, int newfd);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close_range(uint first, uint last, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int pipe2(int* ends, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int dup2(int oldfd, int newfd);

    /// <summary>Sets a signal's effect; the former one, or -1 on failure.</summary>
    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint signal(int number, nint handler);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int pidfd_open(int pid, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int pidfd_send_signal(int pidfd, int signal, void* information, uint flags);
}
