using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using Kedge.Linux;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.Uapi;

/// <summary>
/// One client of the <see cref="UapiServer"/>, from its first byte to its last. Served by one task; <see cref="Close"/> may be called by
/// any thread.
/// </summary>
internal sealed class UapiConnection : IDisposable
{
    /// <summary>How long a client may be connected without asking for anything.</summary>
    public static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(60);

    /// <summary>How long a client may be silent in the middle of a request, and take nothing in the middle of its answer.</summary>
    public static readonly TimeSpan RequestLimit = TimeSpan.FromSeconds(10);

    /// <summary>How long what follows an error is read and thrown away, so that the client gets to read the error.</summary>
    public static readonly TimeSpan LingerLimit = TimeSpan.FromSeconds(2);

    private const int BufferSize = 8192;
    private const int SendSize = 65536;
    private const int MaximumEvents = 512; // a burst of control frames; more that wait are older than what can still matter

    private readonly UapiServer _server;
    private readonly Socket _socket;
    private readonly UapiReader _reader = new(InterfaceIndex);
    private readonly byte[] _buffer = new byte[BufferSize];
    private readonly CancellationTokenSource _deadline = new();
    private volatile Channel<DeviceEvent>? _events;
    private long _lastActive = Environment.TickCount64;
    private bool _lingers;

    public UapiConnection(UapiServer server, Socket socket) => (_server, _socket) = (server, socket);

    /// <summary>How long no bytes have gone either way.</summary>
    public TimeSpan Silence => TimeSpan.FromMilliseconds(Environment.TickCount64 - Volatile.Read(ref _lastActive));

    /// <summary>Bytes of memory that its unfinished request holds. Kept by the server, under its lock.</summary>
    public int HeldBytes { get; set; }

    /// <summary>Bytes of the answer that it has yet to take. Kept by the server, under its lock.</summary>
    public int AnswerBytes { get; set; }

    /// <summary>Whether it is at its end. Kept by the server, under its lock.</summary>
    public bool IsClosed { get; set; }

    /// <summary>Serves one request after the other, until the client, a deadline or <see cref="Close"/> ends it.</summary>
    public async Task ServeAsync(CancellationToken stop)
    {
        using CancellationTokenRegistration stopping = stop.Register(Close);
        CancellationToken deadline = _deadline.Token;
        _deadline.CancelAfter(IdleLimit);
        try
        {
            int received;
            while ((received = await _socket.ReceiveAsync(_buffer, deadline)) > 0)
            {
                Touch();
                await ReadAsync(received, deadline);
                CryptographicOperations.ZeroMemory(_buffer.AsSpan(0, received));
                if (!_lingers)
                    _deadline.CancelAfter(_reader.IsInsideRequest ? RequestLimit : IdleLimit);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The client has gone, or is to go.
        }
    }

    /// <summary>Has an event sent, if the client watches. Any thread.</summary>
    public void Publish(DeviceEvent happened) => _events?.Writer.TryWrite(happened);

    /// <summary>Ends the connection soon.</summary>
    public void Close() => _deadline.Cancel();

    /// <summary>Closes the socket and zeroes what may hold keys.</summary>
    public void Dispose()
    {
        _socket.Dispose();
        _reader.Dispose();
        _deadline.Dispose();
        CryptographicOperations.ZeroMemory(_buffer);
    }

    private static uint InterfaceIndex(string name)
    {
        try
        {
            return InterfaceName.ToIndex(name);
        }
        catch (LinuxException)
        {
            return 0;
        }
    }

    private async Task ReadAsync(int received, CancellationToken deadline)
    {
        for (int at = 0; at < received;)
        {
            UapiEvent found = _reader.Read(_buffer.AsSpan(at, received - at), out int consumed);
            at += consumed;
            if (!_server.Hold(this, _reader.HeldBytes))
            {
                found = UapiEvent.Violation;
                _reader.Abandon(new UapiError(UapiError.TooLong, "The request takes too much memory."));
            }
            if (found == UapiEvent.None)
                continue;

            _deadline.CancelAfter(Timeout.InfiniteTimeSpan); // the client now waits for us
            if (found == UapiEvent.KedgeWatch)
            {
                await SendEventsAsync(deadline);
                return;
            }
            using DeviceChange? change = found == UapiEvent.Set ? _reader.TakeChange() : null;
            using UapiAnswer answer = found is UapiEvent.Error or UapiEvent.Violation
                ? _server.Refuse(_reader.Error!)
                : await _server.AnswerAsync(this, found, change, deadline);
            await SendAsync(answer.Bytes, deadline);
            if (found == UapiEvent.Violation)
            {
                _lingers = true;
                _deadline.CancelAfter(LingerLimit);
            }
        }
    }

    // The first one has whoever watches look, since anything may have happened before.
    private async Task SendEventsAsync(CancellationToken deadline)
    {
        _events = Channel.CreateBounded<DeviceEvent>(new BoundedChannelOptions(MaximumEvents) { FullMode = BoundedChannelFullMode.DropOldest });
        Publish(new DeviceChanged());
        Task<int> end = _socket.ReceiveAsync(_buffer, deadline).AsTask(); // the client says nothing more; its end is noticed
        while (!end.IsCompleted)
        {
            Task<bool> ready = _events.Reader.WaitToReadAsync(deadline).AsTask();
            await Task.WhenAny(end, ready);
            while (ready.IsCompletedSuccessfully && _events.Reader.TryRead(out DeviceEvent? happened))
                await SendAsync(Encoding.ASCII.GetBytes($"{happened.ToLine()}\n"), deadline);
            _deadline.CancelAfter(Timeout.InfiniteTimeSpan);
        }
        _deadline.Cancel();
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken deadline)
    {
        Touch(); // the answer has only now come
        while (!bytes.IsEmpty)
        {
            _deadline.CancelAfter(RequestLimit);
            bytes = bytes[await _socket.SendAsync(bytes[..Math.Min(bytes.Length, SendSize)], deadline)..];
            Touch();
        }
        _server.Answered(this);
    }

    private void Touch() => Volatile.Write(ref _lastActive, Environment.TickCount64);
}
