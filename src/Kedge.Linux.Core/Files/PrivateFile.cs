using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Files;

/// <summary>
/// Files of Kedge's own that only their owner may read (mode 0600), such as keys and state. A file changes as a whole: a reader sees, and a
/// crash or a power cut leaves, either the old contents or the new ones. Writers of one folder, other processes too, take turns. For a path that a person names as an
/// output, see <see cref="OutputFile"/>.
/// </summary>
public static unsafe class PrivateFile
{
    internal const int OwnerOnly = 0x180; // 0600
    private const int MaximumReadLength = 256 << 20;

    private static readonly TimeSpan PipePatience = TimeSpan.FromMinutes(1);

    /// <summary>Writes a file, or replaces the one that is there, and returns when it is on the disk.</summary>
    /// <param name="path">
    /// The file. The new contents are first written beside it, to the same name with <c>.new</c> behind it. A symbolic link is replaced,
    /// not followed.
    /// </param>
    /// <param name="contents">All of the file; stays the caller's to zero.</param>
    /// <exception cref="LinuxException">The file could not be written; the old one is still there.</exception>
    public static void Write(string path, ReadOnlySpan<byte> contents)
    {
        string temporary = path + ".new";
        using Descriptor turn = AwaitTurn(path);
        Unlink(temporary);
        WriteBeside(path, contents, temporary);
    }

    /// <summary>Writes a file that does not exist yet, and returns when it is on the disk. For keys, which nothing may replace.</summary>
    /// <inheritdoc cref="Write" path="/param"/>
    /// <exception cref="LinuxException">The file could not be written, or there is one already (EEXIST), which is unchanged.</exception>
    public static void WriteNew(string path, ReadOnlySpan<byte> contents)
    {
        string temporary = path + ".new";
        using Descriptor turn = AwaitTurn(path);
        if (FileType.Of(path) is not null)
            throw new LinuxException(Errno.EEXIST, "create", path);
        Unlink(temporary);
        WriteBeside(path, contents, temporary);
    }

    /// <summary>Writes a file by way of a temporary one beside it, which must not exist.</summary>
    /// <exception cref="LinuxException">The file could not be written; the old one is still there.</exception>
    internal static void WriteBeside(string path, ReadOnlySpan<byte> contents, string temporary)
    {
        try
        {
            const int Flags = Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_CLOEXEC;
            using (Descriptor file = Descriptor.From(Libc.open(temporary, Flags, OwnerOnly), "create", temporary))
            {
                WriteAll(file, contents, temporary);
                _ = Descriptor.Check(Libc.fsync(file.Number), "write", temporary);
            }
            _ = Descriptor.Check(Libc.rename(temporary, path), "replace", path);
        }
        catch (LinuxException e) when (e.Errno != Errno.EEXIST)
        {
            _ = Libc.unlink(temporary);
            throw;
        }
        // A rename is on the disk when its folder is.
        FlushFolderOf(path);
    }

    /// <summary>
    /// Gives a file or a folder another name, in place of a file that has that name, and returns when that is on the disk.
    /// </summary>
    /// <exception cref="LinuxException">It cannot be renamed; nothing has changed.</exception>
    public static void Move(string path, string target)
    {
        _ = Descriptor.Check(Libc.rename(path, target), "rename", path);
        FlushFolderOf(target);
        FlushFolderOf(path);
    }

    /// <summary>
    /// Writes over a file in place, and returns at once: the death of this process cannot undo it any more, a power cut can until
    /// <see cref="Flush"/> has returned. For short records that are written often. A symbolic link is followed.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="contents">All of the file, up to 512 bytes: a disk writes so much at once, so that a power cut leaves old or new.</param>
    /// <returns>False, with nothing written, where there is no such file or its length is another: then <see cref="Write"/> it.</returns>
    /// <exception cref="LinuxException">The file could not be written.</exception>
    public static bool TryOverwrite(string path, ReadOnlySpan<byte> contents)
    {
        int number = Libc.open(path, Libc.O_WRONLY | Libc.O_CLOEXEC, 0);
        if (number < 0 && Marshal.GetLastPInvokeError() == Errno.ENOENT)
            return false;
        using Descriptor file = Descriptor.From(number, "open", path);
        if (Libc.lseek(file.Number, 0, Libc.SEEK_END) != contents.Length)
            return false;
        if (Libc.lseek(file.Number, 0, Libc.SEEK_SET) < 0)
            throw new LinuxException(Marshal.GetLastPInvokeError(), "write", path);
        WriteAll(file, contents, path);
        return true;
    }

    /// <summary>
    /// Returns when what was written to a file, such as by <see cref="TryOverwrite"/>, is on the disk; of a folder, its names. Any thread.
    /// </summary>
    /// <exception cref="LinuxException">It cannot be brought there.</exception>
    public static void Flush(string path)
    {
        using Descriptor file = Descriptor.From(Libc.open(path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0), "open", path);
        _ = Descriptor.Check(Libc.fsync(file.Number), "write", path);
    }

    /// <summary>Reads a whole file, which may be a pipe, such as <c>/dev/stdin</c>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="contents">What is in it, in memory that the collector does not copy: the caller can zero it for good.</param>
    /// <returns>False where there is no such file.</returns>
    /// <exception cref="LinuxException">
    /// There is one, but it cannot be read: it is a folder, is longer than 256 MiB, or is a pipe into which nothing is written for a minute.
    /// </exception>
    public static bool TryRead(string path, [NotNullWhen(true)] out byte[]? contents)
    {
        contents = null;
        // Without O_NONBLOCK, opening a pipe waits for its writer, and no signal handler of .NET interrupts that.
        int number = Libc.open(path, Libc.O_RDONLY | Libc.O_CLOEXEC | Libc.O_NOCTTY | Libc.O_NONBLOCK, 0);
        if (number < 0 && Marshal.GetLastPInvokeError() == Errno.ENOENT)
            return false;
        using Descriptor file = Descriptor.From(number, "open", path);
        FileType type = FileType.Of(file, path);
        byte[] buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(type.Size, MaximumReadLength) + 1, pinned: true);
        int length = 0;
        try
        {
            for (int count; (count = ReadSome(file, type, buffer.AsSpan(length), path)) > 0;)
            {
                length += count;
                if (length > MaximumReadLength)
                    throw new LinuxException(Errno.EFBIG, "read", path);
                if (length == buffer.Length)
                    Grow(ref buffer, 2 * length);
            }
            contents = GC.AllocateUninitializedArray<byte>(length, pinned: true);
            buffer.AsSpan(0, length).CopyTo(contents);
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(buffer);
        }
    }

    /// <summary>Gives a file a second name, in place of whatever has that name.</summary>
    /// <exception cref="LinuxException">It could not be given.</exception>
    public static void Link(string path, string secondName)
    {
        string temporary = secondName + ".new";
        Unlink(temporary);
        _ = Descriptor.Check(Libc.link(path, temporary), "link", path);
        // Where both are names of one file already, rename(2) does nothing and leaves the temporary one.
        _ = Descriptor.Check(Libc.rename(temporary, secondName), "replace", secondName);
        _ = Libc.unlink(temporary);
    }

    private static void Unlink(string path)
    {
        if (Libc.unlink(path) < 0 && Marshal.GetLastPInvokeError() is var error and not Errno.ENOENT)
            throw new LinuxException(error, "delete", path);
    }

    // Released with the descriptor, so also when this process dies. A file system without locks has one writer in practice.
    private static Descriptor AwaitTurn(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Descriptor descriptor = Descriptor.From(Libc.open(folder, Libc.O_RDONLY | Libc.O_CLOEXEC, 0), "open", folder);
        while (Libc.flock(descriptor.Number, Libc.LOCK_EX) < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR)
        {
        }
        return descriptor;
    }

    internal static void FlushFolderOf(string path) => Flush(Path.GetDirectoryName(Path.GetFullPath(path))!);

    private static int ReadSome(Descriptor file, FileType type, Span<byte> buffer, string path)
    {
        // Of a pipe without a writer, read(2) would say that it is at its end, though its writer is yet to come.
        if (!type.IsRegular && !Poll.Wait(file.Number, Libc.POLLIN, BootClock.Now + PipePatience))
            throw new LinuxException(Errno.ETIME, "read", path);
        fixed (byte* start = buffer)
        {
            while (true)
            {
                nint count = Libc.read(file.Number, start, (nuint)buffer.Length);
                if (count >= 0)
                    return (int)count;
                if (Marshal.GetLastPInvokeError() is var error and not Errno.EINTR)
                    throw new LinuxException(error, "read", path);
            }
        }
    }

    private static void Grow(ref byte[] buffer, int length)
    {
        byte[] larger = GC.AllocateUninitializedArray<byte>(length, pinned: true);
        buffer.CopyTo(larger, 0);
        CryptographicOperations.ZeroMemory(buffer);
        buffer = larger;
    }

    /// <summary>Writes all of the contents; to a pipe, as fast as its reader takes them.</summary>
    /// <exception cref="LinuxException">They cannot be written, or the reader of a pipe takes nothing for a minute.</exception>
    internal static void WriteAll(Descriptor file, ReadOnlySpan<byte> contents, string path)
    {
        fixed (byte* start = contents)
        {
            for (nuint done = 0; done < (nuint)contents.Length;)
            {
                nint count = Libc.write(file.Number, start + done, (nuint)contents.Length - done);
                int error = count < 0 ? Marshal.GetLastPInvokeError() : 0;
                if (error == Errno.EAGAIN && !Poll.Wait(file.Number, Libc.POLLOUT, BootClock.Now + PipePatience))
                    throw new LinuxException(Errno.ETIME, "write", path);
                if (error is not (0 or Errno.EINTR or Errno.EAGAIN))
                    throw new LinuxException(error, "write", path);
                done += (nuint)Math.Max(count, 0);
            }
        }
    }
}
