using System.Net.Sockets;
using System.Text;

namespace Kedge.SystemTests.Wg;

/// <summary>The client's end of a UAPI socket, for saying what <c>wg</c> would never say.</summary>
internal sealed class UapiClient : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[4096];
    private int _next;
    private int _end;

    private UapiClient(Socket socket) => _socket = socket;

    public static UapiClient Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = (int)Timeout.TotalMilliseconds,
            SendTimeout = (int)Timeout.TotalMilliseconds,
        };
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return new UapiClient(socket);
    }

    /// <summary>Sends one request over a connection of its own and returns the answer.</summary>
    public static string Ask(string path, string request)
    {
        using UapiClient client = Connect(path);
        client.Send(request);
        return client.ReadAnswer();
    }

    public void Send(string text) => Send(Encoding.Latin1.GetBytes(text));

    public void Send(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[_socket.Send(bytes)..];
    }

    /// <summary>Says that nothing more will be sent.</summary>
    public void EndSending() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Reads up to and with the next empty line, or to the end of the connection.</summary>
    public string ReadAnswer()
    {
        var answer = new StringBuilder();
        while (true)
        {
            while (_next < _end)
            {
                char one = (char)_buffer[_next++];
                answer.Append(one);
                if (one == '\n' && (answer.Length == 1 || answer[^2] == '\n'))
                    return answer.ToString();
            }
            (_next, _end) = (0, _socket.Receive(_buffer));
            if (_end == 0)
                return answer.ToString();
        }
    }

    /// <summary>Whether the other end has closed the connection, after at most 20 seconds of nothing.</summary>
    public bool IsClosedByServer()
    {
        try
        {
            return ReadAnswer().Length == 0;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset)
        {
            return true;
        }
    }

    public void Dispose() => _socket.Dispose();
}
