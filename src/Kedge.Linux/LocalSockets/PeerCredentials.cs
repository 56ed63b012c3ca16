using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Kedge.Linux.LocalSockets;

/// <summary>Who is at the other end of a local socket, as the kernel knows it since the connection was made (<c>SO_PEERCRED</c>).</summary>
/// <param name="ProcessId">The process; it may have ended meanwhile.</param>
/// <param name="UserId">Its effective user.</param>
/// <param name="GroupId">Its effective group.</param>
public readonly record struct PeerCredentials(int ProcessId, uint UserId, uint GroupId)
{
    private const int SOL_SOCKET = 1;
    private const int SO_PEERCRED = 17;

    /// <summary>Reads the credentials of an accepted or connected Unix socket's other end.</summary>
    /// <exception cref="SocketException">It is no such socket.</exception>
    public static PeerCredentials Of(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12]; // struct ucred
        socket.GetRawSocketOption(SOL_SOCKET, SO_PEERCRED, credentials);
        ReadOnlySpan<uint> values = MemoryMarshal.Cast<byte, uint>(credentials);
        return new((int)values[0], values[1], values[2]);
    }
}
