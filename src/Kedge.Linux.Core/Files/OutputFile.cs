using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Files;

/// <summary>
/// Writes to a path that a person names as an output. Links are followed. A file is replaced as a whole, with one that only its owner may
/// read; where its folder does not allow that, as with a file that is mounted into a container, it is overwritten in place. Anything else,
/// such as a pipe, a terminal or <c>/dev/null</c>, is written to and stays what it is. Any thread.
/// </summary>
public static unsafe class OutputFile
{
    private const int MaximumLinks = 40; // as in the kernel
    private const int MaximumPathLength = 4096;
    private const int CopyLength = 64 << 10;

    /// <summary>Writes all of the output.</summary>
    /// <param name="path">The path, as it was named.</param>
    /// <param name="contents">The output; stays the caller's to zero.</param>
    /// <exception cref="LinuxException">
    /// It cannot be written: the path is a folder, the disk is full, nobody reads the pipe. A file that is replaced keeps its old contents;
    /// one that is overwritten in place may not.
    /// </exception>
    public static void Write(string path, ReadOnlySpan<byte> contents)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string target = Follow(path, out FileType? type, out bool isDescriptor);
        if (isDescriptor || type is { IsRegular: false })
        {
            WriteInPlace(target, contents, isDescriptor ? Libc.O_APPEND : 0);
            return;
        }
        try
        {
            PrivateFile.WriteBeside(target, contents, TemporaryFor(target));
        }
        catch (LinuxException e) when (type is not null && e.Errno is Errno.EBUSY or Errno.EACCES or Errno.EPERM or Errno.EROFS)
        {
            WriteInPlace(target, contents, Libc.O_TRUNC);
        }
    }

    /// <summary>
    /// Copies a file to an output that must not replace another file. Only its owner can read a file that this creates.
    /// </summary>
    /// <param name="path">The path, as it was named.</param>
    /// <param name="source">The file to copy.</param>
    /// <exception cref="LinuxException">
    /// It cannot be written (EEXIST: a file has that name), or the source cannot be read. A file that this created is deleted.
    /// </exception>
    public static void CopyNew(string path, string source)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string target = Follow(path, out FileType? type, out bool isDescriptor);
        using Descriptor input = Descriptor.From(Libc.open(source, Libc.O_RDONLY | Libc.O_CLOEXEC, 0), "open", source);
        if (isDescriptor || type is { IsRegular: false })
        {
            using Descriptor output = OpenInPlace(target, isDescriptor ? Libc.O_APPEND : 0);
            Copy(input, source, output, path);
            FlushIfPossible(output, path);
            return;
        }
        if (type is not null)
            throw new LinuxException(Errno.EEXIST, "create", path);
        const int Flags = Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_CLOEXEC;
        using Descriptor created = Descriptor.From(Libc.open(target, Flags, PrivateFile.OwnerOnly), "create", path);
        try
        {
            Copy(input, source, created, path);
            _ = Descriptor.Check(Libc.fsync(created.Number), "write", path);
            PrivateFile.FlushFolderOf(target);
        }
        catch
        {
            _ = Libc.unlink(target);
            throw;
        }
    }

    /// <summary>Whether writing to a path would replace the contents of a file: false for a pipe, a device, and what does not exist.</summary>
    public static bool WouldReplace(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            Follow(path, out FileType? type, out bool isDescriptor);
            return type is { IsRegular: true } && !isDescriptor;
        }
        catch (LinuxException)
        {
            return false; // writing says why
        }
    }

    /// <summary>
    /// Follows links. A link of /proc, to which <c>/dev/stdout</c> leads, stands for an open descriptor: what it shows is not followed,
    /// because it was opened by somebody else, who goes on using it.
    /// </summary>
    private static string Follow(string path, out FileType? type, out bool isDescriptor)
    {
        string current = path;
        for (int links = 0; links <= MaximumLinks; links++)
        {
            type = FileType.Of(current);
            isDescriptor = type is { IsLink: true } link && link.Device == FileType.Of("/proc")?.Device;
            if (type is not { IsLink: true } || isDescriptor)
                return current;
            current = Path.Combine(Path.GetDirectoryName(current) ?? "/", ReadLink(current));
        }
        throw new LinuxException(Errno.ELOOP, "open", path);
    }

    private static string ReadLink(string path)
    {
        byte* target = stackalloc byte[MaximumPathLength];
        nint length = Libc.readlink(path, target, MaximumPathLength);
        return length >= 0
            ? Encoding.UTF8.GetString(target, (int)length)
            : throw new LinuxException(Marshal.GetLastPInvokeError(), "read link", path);
    }

    // O_NONBLOCK: a pipe without a reader is an error (ENXIO), and not waited for.
    private static Descriptor OpenInPlace(string path, int flags)
    {
        const int Flags = Libc.O_WRONLY | Libc.O_CLOEXEC | Libc.O_NOCTTY | Libc.O_NONBLOCK;
        return Descriptor.From(Libc.open(path, Flags | flags, 0), "open", path);
    }

    private static void WriteInPlace(string path, ReadOnlySpan<byte> contents, int flags)
    {
        using Descriptor file = OpenInPlace(path, flags);
        PrivateFile.WriteAll(file, contents, path);
        FlushIfPossible(file, path);
    }

    private static void Copy(Descriptor input, string source, Descriptor output, string path)
    {
        byte[] buffer = new byte[CopyLength];
        fixed (byte* start = buffer)
        {
            nint count;
            while ((count = Libc.read(input.Number, start, (nuint)buffer.Length)) != 0)
            {
                if (count > 0)
                    PrivateFile.WriteAll(output, buffer.AsSpan(0, (int)count), path);
                else if (Marshal.GetLastPInvokeError() is var error and not Errno.EINTR)
                    throw new LinuxException(error, "read", source);
            }
        }
        CryptographicOperations.ZeroMemory(buffer); // there may be keys in it
    }

    // Beside the output, under a name that nothing has: what a person keeps there is not touched.
    private static string TemporaryFor(string path) => $"{path}.{Guid.NewGuid().ToString("N")[..8]}";

    private static void FlushIfPossible(Descriptor file, string path)
    {
        if (Libc.fsync(file.Number) < 0 && Marshal.GetLastPInvokeError() is var error and not (Errno.EINVAL or Errno.EROFS))
            throw new LinuxException(error, "write", path);
    }
}
