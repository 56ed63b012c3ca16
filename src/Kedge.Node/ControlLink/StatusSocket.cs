using System.Net.Sockets;
using System.Text.Json;
using Kedge.Linux.LocalSockets;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Where a control link tells its state: whoever connects gets it as JSON and the end of the stream. Only root and the user that the link
/// runs as can connect. Whoever made it disposes it.
/// </summary>
public sealed class StatusSocket : IAsyncDisposable
{
    private const int Backlog = 16;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PauseAfterError = TimeSpan.FromMilliseconds(100);

    private readonly string _path;
    private readonly Socket _listener;
    private readonly Func<LinkStatus> _status;
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _serving;

    /// <summary>Listens, in place of whoever listened there before: the caller has the lock.</summary>
    /// <param name="path">The socket's path.</param>
    /// <param name="status">Called by any thread for each connection.</param>
    /// <param name="clock">Measures the pause after a defect.</param>
    /// <param name="log">Receives defects.</param>
    /// <exception cref="Linux.LinuxException">The path cannot be made.</exception>
    public StatusSocket(string path, Func<LinkStatus> status, TimeProvider clock, ILogger log)
    {
        _path = path;
        _status = status;
        File.Delete(path);
        _listener = PrivateSocket.Listen(path, Backlog);
        _serving = Task.Run(() =>
            BackgroundLoop.RunAsync(ServeAsync, exception => Log.LinkFailed(log, exception), clock, _ending.Token));
    }

    /// <summary>Asks a control link for its state; null where none runs, or it does not answer.</summary>
    public static LinkStatus? Ask(string path)
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            {
                ReceiveTimeout = (int)Timeout.TotalMilliseconds,
            };
            socket.Connect(new UnixDomainSocketEndPoint(path));
            using var stream = new NetworkStream(socket);
            return JsonSerializer.Deserialize(stream, LinkStatusJson.Default.LinkStatus);
        }
        catch (Exception e) when (e is SocketException or IOException or JsonException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        File.Delete(_path);
        await _serving;
        _listener.Dispose();
        _ending.Dispose();
    }

    /// <summary>Serves the next client.</summary>
    private async Task ServeAsync(CancellationToken ending)
    {
        try
        {
            using Socket client = await _listener.AcceptAsync(ending);
            client.SendTimeout = (int)Timeout.TotalMilliseconds;
            byte[] answer = JsonSerializer.SerializeToUtf8Bytes(_status(), LinkStatusJson.Default.LinkStatus);
            using var slow = CancellationTokenSource.CreateLinkedTokenSource(ending);
            slow.CancelAfter(Timeout); // one at a time: a client that does not read is let go
            for (int sent = 0; sent < answer.Length;)
                sent += await client.SendAsync(answer.AsMemory(sent), SocketFlags.None, slow.Token);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException && !ending.IsCancellationRequested)
        {
            // The client is gone, or there is no descriptor for another connection just now.
            await Task.Delay(PauseAfterError, ending);
        }
    }
}
