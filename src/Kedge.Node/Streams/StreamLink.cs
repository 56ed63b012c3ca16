using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Streams;

/// <summary>
/// The stream of a device to its controller or, while that cannot be reached, to a relay: connected while it is wanted, and again after every
/// failure. A thread of its own connects and writes, another one receives; whoever sends waits for neither. Whoever made it disposes it, after its
/// threads have ended.
/// </summary>
/// <param name="log">Receives when it begins and ends.</param>
public sealed class StreamLink(ILogger log) : IDisposable
{
    private static readonly TimeSpan GoodAfter = TimeSpan.FromSeconds(10);

    /// <summary>How often a controller is tried while the stream is to a relay: other nodes may only have one there.</summary>
    private static readonly TimeSpan ReturnInterval = TimeSpan.FromSeconds(20);

    private readonly Waiter _waiter = new();
    private readonly FrameRing _ring = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly StreamReceiver _receiver = new();
    private readonly Backoff _backoff = new(Random.Shared, first: TimeSpan.FromMilliseconds(500), longest: TimeSpan.FromSeconds(30));
    private volatile StreamAccess? _access;
    private volatile StreamConnection? _connection;
    private volatile IReadOnlyList<StreamTarget> _relays = [];
    private volatile bool _isWanted;
    private volatile uint _mark;
    private Instant _retryAt;
    private Instant _openedAt;
    private Instant _keepaliveAt;
    private Instant _returnAt = Instant.Never;
    private Task<StreamConnection>? _return;
    private int _next; // of the targets

    /// <summary>Raised when <see cref="IsOpen"/> has changed, on the thread of <see cref="Run"/>; handlers return at once.</summary>
    public event Action? Changed;

    /// <summary>Whether there is a connection. Any thread.</summary>
    public bool IsOpen => _connection is { IsBroken: false };

    /// <summary>The relay that it is connected to; null if it is not, or to a controller. Any thread.</summary>
    public PublicKey? Relay => _connection is { IsBroken: false } connection ? connection.Target.Relay : null;

    /// <summary>By what it connects; null for nothing yet, and then it does not. Any thread.</summary>
    public StreamAccess? Access => _access;

    /// <summary>What is received by it. Its thread is the one that receives.</summary>
    public IDatagramSocket Receiver => _receiver;

    /// <summary>Says by what it connects. Any thread.</summary>
    public void Use(StreamAccess? access)
    {
        if (Equals(_access, access))
            return;
        _access = access;
        Renew();
    }

    /// <summary>Says which relays may be connected to, best first, where no controller can be. Any thread.</summary>
    public void UseRelays(IReadOnlyList<StreamTarget> relays)
    {
        if (!relays.SequenceEqual(_relays))
            _relays = relays;
    }

    /// <summary>Says whether it is wanted. Any thread.</summary>
    public void Want(bool isWanted)
    {
        if (_isWanted == isWanted)
            return;
        _isWanted = isWanted;
        _waiter.Wake();
    }

    /// <summary>Sets the firewall mark of its connections, from the next one on. Any thread.</summary>
    public void SetMark(uint mark) => _mark = mark;

    /// <summary>Gives up the connection for a new one: the machine is in another network. Any thread.</summary>
    public void Renew()
    {
        _connection?.Break();
        _waiter.Wake();
    }

    /// <summary>Has a datagram sent, by a copy; it is dropped where there is no connection or too much waits. Any thread.</summary>
    public bool TrySend(ulong peer, ReadOnlySpan<byte> datagram)
    {
        if (datagram.Length is 0 or > StreamFrame.MaximumDatagram || !_ring.TryAdd(peer, datagram, out bool wasEmpty))
            return false;
        if (wasEmpty)
            _waiter.Wake();
        return true;
    }

    /// <summary>Connects and writes until <see cref="Stop"/>: the body of a thread.</summary>
    public void Run()
    {
        while (!_stopping.IsCancellationRequested)
        {
            if (!_isWanted || _access is not { } access)
            {
                Close(reason: null);
                _backoff.Succeeded();
                _retryAt = default;
                _waiter.Wait(Instant.Never);
            }
            else if (_connection is not { } connection)
            {
                if (BootClock.Now < _retryAt)
                    _waiter.Wait(_retryAt);
                else
                    Open(access);
            }
            else if (_return is { IsCompleted: true } returned)
            {
                Return(returned);
            }
            else if (connection.IsBroken || !TryWriteOnce(connection))
            {
                Close("the connection has ended");
            }
        }
        Close(reason: null);
    }

    /// <summary>Ends <see cref="Run"/>, and whatever the receiving thread waits for. Any thread.</summary>
    public void Stop()
    {
        _stopping.Cancel();
        _connection?.Break();
        _waiter.Wake();
        _receiver.Wake();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close(reason: null);
        _receiver.Dispose();
        _waiter.Dispose();
        _stopping.Dispose();
    }

    private void Open(StreamAccess access)
    {
        StreamTarget[] targets = [.. access.Servers.Select(server => new StreamTarget(server)), .. _relays];
        if (targets.Length == 0)
        {
            _retryAt = BootClock.Now + _backoff.Next();
            return;
        }
        StreamTarget target = targets[_next % targets.Length];
        try
        {
            Use(StreamConnection.Open(target, access, _mark, _stopping.Token));
            _returnAt = target.Relay is null || access.Servers.Count == 0 ? Instant.Never : _openedAt + ReturnInterval;
            _next = 0;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            _next++;
            if (!_stopping.IsCancellationRequested)
                Failed(e is IOException ? e.Message : "there is no answer", target, isLast: _next % targets.Length == 0);
        }
    }

    private void Use(StreamConnection connection)
    {
        _openedAt = BootClock.Now;
        _keepaliveAt = _openedAt + StreamFrame.KeepaliveInterval;
        _ring.Open();
        _connection = connection;
        _receiver.Broken = _waiter.Wake;
        _receiver.Use(connection);
        if (_stopping.IsCancellationRequested)
            connection.Break();
        Log.StreamOpened(log, connection.Target);
        Changed?.Invoke();
    }

    // All targets are tried before there is a pause.
    private void Failed(string reason, StreamTarget target, bool isLast)
    {
        if (_backoff.Failures == 0)
            Log.StreamFailed(log, target, reason);
        if (isLast)
            _retryAt = BootClock.Now + _backoff.Next();
    }

    private void BeginReturn(StreamAccess access)
    {
        _returnAt = Instant.Never;
        (StreamTarget target, uint mark) = (new(access.Servers[0]), _mark);
        _return = Task.Run(() => StreamConnection.Open(target, access, mark, _stopping.Token));
        _return.ContinueWith(_ => _waiter.Wake(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private void Return(Task<StreamConnection> returned)
    {
        _return = null;
        if (!returned.IsCompletedSuccessfully)
        {
            _ = returned.Exception; // it goes on by the relay
            _returnAt = BootClock.Now + ReturnInterval;
            return;
        }
        Close(reason: null);
        Use(returned.Result);
    }

    /// <summary>Writes what has gathered, or waits for something.</summary>
    private bool TryWriteOnce(StreamConnection connection)
    {
        ReadOnlySpan<byte> next = _ring.Peek();
        if (!next.IsEmpty)
        {
            if (!connection.TryWrite(next))
                return false;
            _ring.Release(next.Length);
            return true;
        }
        Instant now = BootClock.Now;
        if (now >= _returnAt && _access is { Servers.Count: > 0 } access)
            BeginReturn(access);
        if (now < _keepaliveAt)
        {
            _waiter.Wait(Instant.Earlier(_keepaliveAt, _returnAt));
            return true;
        }
        _keepaliveAt = BootClock.Now + StreamFrame.KeepaliveInterval;
        return connection.TryWrite(new byte[StreamFrame.KeepaliveSize]);
    }

    private void Close(string? reason)
    {
        if (_connection is not { } connection)
            return;
        _connection = null;
        _ring.Close();
        _receiver.Use(null);
        connection.Dispose();
        if (reason is not null)
        {
            if (BootClock.Now - _openedAt >= GoodAfter)
                _backoff.Succeeded();
            _retryAt = BootClock.Now + _backoff.Next();
        }
        Log.StreamClosed(log, reason ?? "it is not needed any more");
        Changed?.Invoke();
    }
}
