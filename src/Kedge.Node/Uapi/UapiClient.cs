using System.Net.Sockets;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.Uapi;

/// <summary>Asks a running device for its state.</summary>
public static class UapiClient
{
    /// <summary>More than any device has to say: a million prefixes.</summary>
    private const int MaximumAnswer = 64 << 20;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    /// <summary>What the device has done so far, without secrets. The caller disposes it.</summary>
    /// <param name="directory">Where its socket is.</param>
    /// <param name="interfaceName">Its interface.</param>
    /// <exception cref="UserError">There is no such device, it is not Kedge's, or it may not be asked.</exception>
    public static DeviceStatus GetStatus(string directory, string interfaceName)
    {
        string path = Path.Combine(directory, interfaceName + ".sock");
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            {
                SendTimeout = (int)Timeout.TotalMilliseconds,
                ReceiveTimeout = (int)Timeout.TotalMilliseconds,
            };
            socket.Connect(new UnixDomainSocketEndPoint(path));
            socket.Send("kedge_get=1\n\n"u8);
            socket.Shutdown(SocketShutdown.Send);
            return UapiAnswerReader.Read(ReadAll(socket));
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.ConnectionRefused)
        {
            throw new UserError($"{interfaceName} is not running: nobody listens on {path}. Start it with 'kedge wg {interfaceName}'.", e);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AccessDenied)
        {
            throw new UserError($"{path} is not open to you: only root and the user that the device runs as may ask it. Try with sudo.", e);
        }
        catch (SocketException e)
        {
            throw new UserError($"{interfaceName} does not answer on {path}: {e.Message}.", e);
        }
        catch (UapiException e) when (e.Error.Errno == UapiError.Protocol)
        {
            throw new UserError($"{interfaceName} is not run by Kedge: it does not know 'kedge_get'. Try 'wg show {interfaceName}'.", e);
        }
    }

    private static byte[] ReadAll(Socket socket)
    {
        using var answer = new MemoryStream();
        byte[] buffer = new byte[65536];
        int received;
        while ((received = socket.Receive(buffer)) > 0 && answer.Length < MaximumAnswer)
            answer.Write(buffer, 0, received);
        return answer.ToArray();
    }
}
