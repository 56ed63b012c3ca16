using System.Net.Sockets;
using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.LocalSockets;

/// <summary>Unix stream sockets that only their owner may connect to.</summary>
public static class PrivateSocket
{
    private const uint OwnerOnly = 0x180; // 0600

    /// <summary>
    /// Listens on a path that does not exist yet; the socket has mode 0600 from its first instant. It is bound beside the path, and linked
    /// there once it listens: whoever finds it can connect to it. (Tools take a socket that refuses for what a dead process left.)
    /// </summary>
    /// <param name="path">The socket's path, at most 99 bytes. Its folder must exist. Whoever disposes the socket deletes the path.</param>
    /// <param name="backlog">Connections that may wait to be accepted.</param>
    /// <exception cref="SocketException"><see cref="SocketError.AddressAlreadyInUse"/>: something has that path.</exception>
    /// <exception cref="LinuxException">The path cannot be made.</exception>
    public static Socket Listen(string path, int backlog)
    {
        string unfinished = $"{path}.{Environment.ProcessId}";
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // Linux gives the path the mode that the socket has before it is bound: no umask is changed under other threads.
            _ = Descriptor.Check(Libc.fchmod((int)socket.SafeHandle.DangerousGetHandle(), OwnerOnly), "protect", path);
            _ = Libc.unlink(unfinished); // of a process that died here, and had our number
            RequireWritable(unfinished);
            socket.Bind(new UnixDomainSocketEndPoint(unfinished));
            socket.Listen(backlog);
            if (Libc.link(unfinished, path) < 0 && Marshal.GetLastPInvokeError() is var error)
                throw error == Errno.EEXIST ? new SocketException((int)SocketError.AddressAlreadyInUse) : new LinuxException(error, "make", path);
            _ = Libc.unlink(unfinished);
            return socket;
        }
        catch
        {
            socket.Dispose(); // which unlinks what it was bound to
            throw;
        }
    }

    // SocketException has no text for some errors, such as that of a file system mounted read-only, so a file tries the folder first.
    private static void RequireWritable(string path)
    {
        const int Flags = Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_CLOEXEC;
        Descriptor.From(Libc.open(path, Flags, (int)OwnerOnly), "create", path).Dispose();
        _ = Libc.unlink(path);
    }
}
