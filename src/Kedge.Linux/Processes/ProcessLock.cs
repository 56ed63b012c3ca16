using System.Runtime.InteropServices;
using System.Text;
using Kedge.Linux.Files;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Processes;

/// <summary>
/// A claim that one process has at a time, by a lock on a file: the kernel takes it back however the process ends. The file says which
/// process has it, or had it last. Whoever took it disposes it.
/// </summary>
public sealed unsafe class ProcessLock : IDisposable
{
    private const int OwnerOnly = 0x180; // 0600

    private readonly Descriptor _file;

    private ProcessLock(Descriptor file) => _file = file;

    /// <summary>Takes the lock; null where another process, or this one, has it.</summary>
    /// <param name="path">The file, which is made where it does not exist and stays. Its folder must exist.</param>
    /// <exception cref="LinuxException">The file cannot be made or locked.</exception>
    public static ProcessLock? TryTake(string path)
    {
        Descriptor file = Open(path, Libc.O_RDWR | Libc.O_CREAT | Libc.O_CLOEXEC);
        try
        {
            Libc.Flock wanted = new() { Type = Libc.F_WRLCK };
            if (Libc.fcntl(file.Number, Libc.F_OFD_SETLK, (nint)(&wanted)) < 0)
            {
                if (Marshal.GetLastPInvokeError() is var error and not (Errno.EAGAIN or Errno.EACCES))
                    throw new LinuxException(error, "lock", path);
                file.Dispose();
                return null;
            }
            byte[] holder = Encoding.ASCII.GetBytes($"{ProcessIdentity.Self}\n");
            _ = Descriptor.Check(Libc.ftruncate(file.Number, 0), "write", path);
            fixed (byte* start = holder)
                _ = Descriptor.Check((int)Libc.write(file.Number, start, (nuint)holder.Length), "write", path);
            return new ProcessLock(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The process that has a lock; null where nobody has. Does not touch the lock.</summary>
    /// <param name="path">The file; nobody has a lock that does not exist.</param>
    /// <exception cref="LinuxException">The file cannot be read.</exception>
    public static ProcessIdentity? Holder(string path)
    {
        if (!File.Exists(path))
            return null;
        using Descriptor file = Open(path, Libc.O_RDWR | Libc.O_CLOEXEC);
        Libc.Flock wanted = new() { Type = Libc.F_WRLCK };
        _ = Descriptor.Check(Libc.fcntl(file.Number, Libc.F_OFD_GETLK, (nint)(&wanted)), "look at the lock of", path);
        if (wanted.Type == Libc.F_UNLCK)
            return null;
        return PrivateFile.TryRead(path, out byte[]? holder)
            && ProcessIdentity.TryParse(Encoding.ASCII.GetString(holder), out ProcessIdentity identity)
            && identity.IsAlive ? identity : null;
    }

    /// <summary>Gives the lock back.</summary>
    public void Dispose()
    {
        // To close it is not enough: a child that another thread has just forked has a copy until it executes its program.
        Libc.Flock unlocked = new() { Type = Libc.F_UNLCK };
        _ = Libc.fcntl(_file.Number, Libc.F_OFD_SETLK, (nint)(&unlocked));
        _file.Dispose();
    }

    private static Descriptor Open(string path, int flags) => Descriptor.From(Libc.open(path, flags, OwnerOnly), "open", path);
}
