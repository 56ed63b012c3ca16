using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Kedge.Linux;

/// <summary>The firewall mark of a socket of .NET (SO_MARK of socket(7)).</summary>
public static class SocketMark
{
    private const int SOL_SOCKET = 1;
    private const int SO_MARK = 36;

    /// <summary>Marks what a socket sends.</summary>
    /// <returns>Whether it is marked; false without CAP_NET_ADMIN.</returns>
    public static bool TrySet(Socket socket, uint mark)
    {
        ArgumentNullException.ThrowIfNull(socket);
        try
        {
            socket.SetRawSocketOption(SOL_SOCKET, SO_MARK, MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in mark)));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
