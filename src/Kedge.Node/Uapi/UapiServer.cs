using System.Net.Sockets;
using Kedge.Linux.LocalSockets;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Uapi;

/// <summary>
/// Serves WireGuard's configuration protocol on a <see cref="UapiSocket"/>, to root and to the user that this process runs as. It runs on
/// the thread pool, apart from the packet threads.
/// <para>
/// Its memory is bounded whatever is sent. Beyond <see cref="MaximumConnections"/>, or <see cref="MaximumHeldBytes"/> of unfinished
/// requests, the connection that has been silent for longest is closed, so junk never keeps <c>wg show</c> waiting. An answer waits for its
/// turn while those before it hold as much; a client that takes its answer is never cut off, one that has stopped to take it is.
/// </para>
/// </summary>
public sealed class UapiServer : IAsyncDisposable
{
    /// <summary>How many connections are served at once.</summary>
    public const int MaximumConnections = 64;

    /// <summary>
    /// Bytes that unfinished requests may hold together: enough for one of 65,536 peers, more than which wireguard-go does not take. Also
    /// the bytes of answers not yet taken from which on the next one waits.
    /// </summary>
    public const int MaximumHeldBytes = 20 << 20;

    /// <summary>How long a connection is served at least, however many others come: long enough for <c>wg</c> to ask.</summary>
    private static readonly TimeSpan LeastStay = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a client may take nothing of its answer while another one waits.</summary>
    private static readonly TimeSpan StallLimit = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(20);

    private readonly UapiSocket _socket;
    private readonly Func<DeviceStatus> _status;
    private readonly Action<DeviceChange> _apply;
    private readonly ILogger _log;
    private readonly uint _ownUserId;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _device = new(1); // so that at most one thread of the pool ever waits for the device
    private readonly SemaphoreSlim _answers = new(1); // to look for room and take it
    private readonly Lock _lock = new();
    private readonly Dictionary<UapiConnection, Task> _connections = []; // under _lock
    private readonly Task _accepting;
    private bool _disposed;

    /// <summary>Starts to serve.</summary>
    /// <param name="socket">The socket; the caller disposes it after the server.</param>
    /// <param name="status">
    /// Copies the device's state. Called by a thread of the pool, never by two at once; the server disposes the result.
    /// </param>
    /// <param name="apply">
    /// Changes the device, and throws <see cref="UapiException"/> where that cannot be. Called as <paramref name="status"/> is; the server
    /// disposes the change afterwards. Both may throw <see cref="ObjectDisposedException"/> while the device ends.
    /// </param>
    /// <param name="log">For what goes wrong.</param>
    public UapiServer(UapiSocket socket, Func<DeviceStatus> status, Action<DeviceChange> apply, ILogger log)
    {
        _socket = socket;
        _status = status;
        _apply = apply;
        _log = log;
        _ownUserId = PeerCredentials.Of(socket.Listener).UserId; // of a listening socket, these are those of who listens
        _accepting = BackgroundLoop.RunAsync(AcceptAsync, e => Log.RequestFailed(_log, e), TimeProvider.System, _stop.Token);
    }

    /// <summary>Tells those that watch the device. Any thread; never waits.</summary>
    public void Publish(DeviceEvent happened)
    {
        lock (_lock)
            foreach (UapiConnection connection in _connections.Keys)
                connection.Publish(happened);
    }

    /// <summary>Ends all connections, and waits until nothing calls the device any more.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
            return;
        await _stop.CancelAsync();
        await _accepting;
        Task[] serving;
        lock (_lock)
            serving = [.. _connections.Values];
        await Task.WhenAll(serving);
        _device.Dispose();
        _answers.Dispose();
        _stop.Dispose();
    }

    /// <summary>Carries out one request, after those that came before.</summary>
    internal async Task<UapiAnswer> AnswerAsync(
        UapiConnection connection, UapiEvent request, DeviceChange? change, CancellationToken cancellation)
    {
        if (change is not null)
            return await CarryOutAsync(request, change, cancellation);
        await _answers.WaitAsync(cancellation);
        try
        {
            await AwaitRoomAsync(cancellation);
            UapiAnswer answer = await CarryOutAsync(request, change, cancellation);
            lock (_lock)
                connection.AnswerBytes = answer.Bytes.Length;
            return answer;
        }
        finally
        {
            _answers.Release();
        }
    }

    /// <summary>Takes note that a connection holds no answer any more.</summary>
    internal void Answered(UapiConnection connection)
    {
        lock (_lock)
            connection.AnswerBytes = 0;
    }

    private async Task AwaitRoomAsync(CancellationToken cancellation)
    {
        while (true)
        {
            lock (_lock)
            {
                if (_connections.Keys.Sum(open => (long)open.AnswerBytes) < MaximumHeldBytes
                    || Evict(open => open.AnswerBytes > 0 && open.Silence > StallLimit))
                {
                    return;
                }
            }
            await Task.Delay(RoomPause, cancellation);
        }
    }

    private async Task<UapiAnswer> CarryOutAsync(UapiEvent request, DeviceChange? change, CancellationToken cancellation)
    {
        await _device.WaitAsync(cancellation);
        try
        {
            if (change is not null)
            {
                _apply(change);
                Log.Configured(_log);
                return UapiAnswer.Done();
            }
            using DeviceStatus status = _status();
            return request == UapiEvent.Get ? UapiAnswer.Get(status) : UapiAnswer.KedgeGet(status);
        }
        catch (UapiException e)
        {
            return Refuse(e.Error);
        }
        catch (ObjectDisposedException)
        {
            return Refuse(new UapiError(UapiError.NoDevice, "The device is ending."));
        }
        catch (Exception e)
        {
            // A defect in one request must not take the tunnel down.
            Log.RequestFailed(_log, e);
            return UapiAnswer.Done(new UapiError(UapiError.Io, e.Message));
        }
        finally
        {
            _device.Release();
        }
    }

    /// <summary>Logs why a request is refused, and answers it.</summary>
    internal UapiAnswer Refuse(UapiError error)
    {
        Log.RequestRefused(_log, error.Errno, error.Reason);
        return UapiAnswer.Done(error);
    }

    /// <summary>
    /// Records how much memory a connection's unfinished request holds. When all hold too much together, the others that hold any are
    /// closed, the longest silent first.
    /// </summary>
    /// <returns>Whether there is room; if not, this connection alone holds too much.</returns>
    internal bool Hold(UapiConnection connection, int bytes)
    {
        lock (_lock)
        {
            connection.HeldBytes = bytes;
            while (bytes > 0 && _connections.Keys.Sum(other => (long)other.HeldBytes) > MaximumHeldBytes)
            {
                if (!Evict(other => other != connection && other.HeldBytes > 0))
                    return false;
            }
            return true;
        }
    }

    /// <summary>Admits the next client.</summary>
    private async Task AcceptAsync(CancellationToken stop)
    {
        try
        {
            Socket client = await _socket.Listener.AcceptAsync(stop);
            await MakeRoomAsync();
            Admit(client);
        }
        catch (SocketException e)
        {
            // Most likely no descriptor is left. One of ours is given up for the next client.
            Log.AcceptFailed(_log, e.Message);
            lock (_lock)
                Evict(_ => true);
            await Task.Delay(AcceptPause, stop);
        }
    }

    private void Admit(Socket socket)
    {
        uint userId = PeerCredentials.Of(socket).UserId;
        if (userId != 0 && userId != _ownUserId)
        {
            Log.StrangerRefused(_log, userId);
            socket.Dispose();
            return;
        }
        var connection = new UapiConnection(this, socket);
        lock (_lock)
            _connections.Add(connection, ServeAsync(connection));
    }

    /// <summary>
    /// Returns when one more connection may be served, having closed another for it if need be. Meanwhile, clients wait in the kernel's
    /// queue.
    /// </summary>
    private async Task MakeRoomAsync()
    {
        while (true)
        {
            TimeSpan wait;
            lock (_lock)
            {
                if (_connections.Keys.Count(open => !open.IsClosed) < MaximumConnections)
                    return;
                wait = LeastStay - LongestSilent(_ => true)!.Silence;
                if (wait <= TimeSpan.Zero)
                    Evict(_ => true);
            }
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, _stop.Token);
        }
    }

    private async Task ServeAsync(UapiConnection connection)
    {
        await Task.Yield(); // so that what follows runs after the connection was entered
        try
        {
            await connection.ServeAsync(_stop.Token);
        }
        catch (Exception e)
        {
            Log.RequestFailed(_log, e);
        }
        finally
        {
            lock (_lock)
                _connections.Remove(connection); // from now on nobody else closes it
            connection.Dispose();
        }
    }

    /// <summary>Closes the longest silent connection of those that may be closed. Under <see cref="_lock"/>.</summary>
    /// <returns>Whether there was one.</returns>
    private bool Evict(Func<UapiConnection, bool> candidate)
    {
        if (LongestSilent(candidate) is not { } silent)
            return false;
        silent.IsClosed = true;
        (silent.HeldBytes, silent.AnswerBytes) = (0, 0);
        silent.Close();
        return true;
    }

    private UapiConnection? LongestSilent(Func<UapiConnection, bool> candidate) =>
        _connections.Keys.Where(open => !open.IsClosed && candidate(open)).MaxBy(open => open.Silence);
}
