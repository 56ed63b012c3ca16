using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Kedge.Linux.LocalSockets;
using Kedge.Linux.Processes;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.Uapi;

/// <summary>Talks to a running device over its configuration socket.</summary>
public static class UapiClient
{
    /// <summary>More than any device has to say: a million prefixes.</summary>
    private const int MaximumAnswer = 64 << 20;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    /// <summary>What the device has done so far, without secrets. The caller disposes it.</summary>
    /// <param name="directory">Where its socket is.</param>
    /// <param name="interfaceName">Its interface.</param>
    /// <exception cref="UserError">There is no such device, it is not Kedge's, or it may not be asked.</exception>
    public static DeviceStatus GetStatus(string directory, string interfaceName) => Exchange(directory, interfaceName, "kedge_get=1\n\n"u8);

    /// <summary>Changes the device.</summary>
    /// <param name="directory">Where its socket is.</param>
    /// <param name="interfaceName">Its interface.</param>
    /// <param name="change">What to change; stays the caller's.</param>
    /// <exception cref="UserError">There is no such device, or it may not be asked.</exception>
    /// <exception cref="UapiException">The device refuses; nothing has been changed.</exception>
    public static void Apply(string directory, string interfaceName, DeviceChange change)
    {
        using UapiRequest request = UapiRequest.Set(change);
        Exchange(directory, interfaceName, request.Bytes.Span).Dispose();
    }

    /// <summary>Watches the device, until that ends or the caller does.</summary>
    /// <param name="directory">Where its socket is.</param>
    /// <param name="interfaceName">Its interface.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SocketException">There is no such device, it has ended, or it may not be asked.</exception>
    /// <exception cref="IOException">The device has ended.</exception>
    public static async IAsyncEnumerable<DeviceEvent> WatchAsync(
        string directory, string interfaceName, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(PathOf(directory, interfaceName)), cancellation);
        await socket.SendAsync("kedge_watch=1\n\n"u8.ToArray(), cancellation);
        using var reader = new StreamReader(new NetworkStream(socket));
        while (await reader.ReadLineAsync(cancellation) is { } line)
            if (DeviceEvent.TryParse(line, out DeviceEvent? happened))
                yield return happened;
    }

    /// <summary>The process that runs a device; null where none does, or it may not be asked.</summary>
    /// <param name="directory">Where its socket is.</param>
    /// <param name="interfaceName">Its interface.</param>
    public static ProcessIdentity? FindProcess(string directory, string interfaceName)
    {
        // Not blocking: a connect waits for as long as a listener's queue is full.
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(PathOf(directory, interfaceName)));
            int process = PeerCredentials.Of(socket).ProcessId;
            return process == 0 ? null : ProcessIdentity.Of(process); // 0 is a process of another container
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static string PathOf(string directory, string interfaceName) => Path.Combine(directory, interfaceName + ".sock");

    private static DeviceStatus Exchange(string directory, string interfaceName, ReadOnlySpan<byte> request)
    {
        string path = PathOf(directory, interfaceName);
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            {
                SendTimeout = (int)Timeout.TotalMilliseconds,
                ReceiveTimeout = (int)Timeout.TotalMilliseconds,
            };
            socket.Connect(new UnixDomainSocketEndPoint(path));
            for (int sent = 0; sent < request.Length;)
                sent += socket.Send(request[sent..]);
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
