using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Files;

/// <summary>What statx(2) says of a file.</summary>
/// <param name="Mode">Its type and permissions.</param>
/// <param name="Size">Its length in bytes, if it is regular.</param>
/// <param name="Device">The file system it lies on.</param>
internal readonly unsafe record struct FileType(int Mode, long Size, ulong Device)
{
    /// <summary>Whether it has contents, rather than being a folder, a pipe, a device or a link.</summary>
    public bool IsRegular => (Mode & Libc.S_IFMT) == Libc.S_IFREG;

    /// <summary>Whether it is a symbolic link.</summary>
    public bool IsLink => (Mode & Libc.S_IFMT) == Libc.S_IFLNK;

    /// <summary>The type of an open file.</summary>
    /// <exception cref="LinuxException">The kernel does not tell.</exception>
    public static FileType Of(Descriptor file, string path)
    {
        Libc.Statx result;
        _ = Descriptor.Check(Libc.statx(file.Number, "", Libc.AT_EMPTY_PATH, Libc.STATX_BASIC_STATS, &result), "examine", path);
        return From(result);
    }

    /// <summary>The type of what has a name, without following a link; null if nothing has it.</summary>
    /// <exception cref="LinuxException">A folder on the way cannot be entered.</exception>
    public static FileType? Of(string path)
    {
        Libc.Statx result;
        if (Libc.statx(Libc.AT_FDCWD, path, Libc.AT_SYMLINK_NOFOLLOW, Libc.STATX_BASIC_STATS, &result) == 0)
            return From(result);
        return Marshal.GetLastPInvokeError() is var error and not Errno.ENOENT ? throw new LinuxException(error, "examine", path) : null;
    }

    private static FileType From(in Libc.Statx result) => new(result.Mode, (long)result.Size, result.Device);
}
