using System.Net.Sockets;
using Kedge.Linux.Interop;

namespace Kedge.Linux.LocalSockets;

/// <summary>Unix stream sockets that only their owner may connect to.</summary>
public static class PrivateSocket
{
    private const uint OwnerOnly = 0x180; // 0600

    /// <summary>Listens on a path that does not exist yet; the socket has mode 0600 from its first instant.</summary>
    /// <param name="path">
    /// The socket's path, at most 107 bytes. Its folder must exist. Whoever disposes the socket deletes the path.
    /// </param>
    /// <param name="backlog">Connections that may wait to be accepted.</param>
    /// <exception cref="SocketException"><see cref="SocketError.AddressAlreadyInUse"/>: something has that path.</exception>
    public static Socket Listen(string path, int backlog)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // Linux gives the path the mode that the socket has before it is bound: no umask is changed under other threads.
            _ = Descriptor.Check(Libc.fchmod((int)socket.SafeHandle.DangerousGetHandle(), OwnerOnly), "protect", path);
            socket.Bind(new UnixDomainSocketEndPoint(path));
            socket.Listen(backlog);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
