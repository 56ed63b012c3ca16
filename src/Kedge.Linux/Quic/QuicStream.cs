using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Quic;

/// <summary>
/// A stream of a <see cref="QuicConnection"/>, on the thread of its loop. First its bytes go to <see cref="IQuicEvents"/>; once it is joined to
/// a TCP socket, both are one connection: what comes by one goes out by the other, ends and resets included, no faster than the receiver takes it.
/// </summary>
public sealed unsafe class QuicStream
{
    /// <summary>The code of a reset: the TCP connection at the other end was reset.</summary>
    public const ulong Reset = 1;

    private const int MostVectors = 8;

    private readonly QuicConnection _connection;
    private readonly ByteQueue _incoming;
    private TcpConnection? _tcp;
    private bool _hasPeerEnded;
    private bool _deliversToSocket;
    private bool _wasEndPassedOn;
    private bool _isEnding; // nothing follows what is queued
    private bool _isAborted;
    private bool _hasSocketFailed;
    private ulong? _reset;
    private bool _isOver;

    internal QuicStream(QuicConnection connection)
    {
        _connection = connection;
        _incoming = new ByteQueue(connection.Pool);
        Outgoing = new ByteQueue(connection.Pool);
        Handle = GCHandle.Alloc(this);
    }

    /// <summary>Anything that its user wants to find with it.</summary>
    public object? Tag { get; set; }

    /// <summary>The connection.</summary>
    public QuicConnection Connection => _connection;

    /// <summary>Its number in the connection.</summary>
    public long Id { get; internal set; }

    /// <summary>Whether the peer has opened it.</summary>
    public bool IsPeers { get; internal init; }

    /// <summary>Bytes that came and were not consumed; of many, the first 64 KiB at most.</summary>
    public ReadOnlySpan<byte> Received => _incoming.First();

    /// <summary>Whether nothing follows what has come.</summary>
    public bool HasPeerEnded => _hasPeerEnded;

    /// <summary>The code by which the peer has reset the stream; null if it has not.</summary>
    public ulong? ResetByPeer => _reset;

    /// <summary>Bytes that came by the stream and were written to the socket.</summary>
    public long BytesIn { get; private set; }

    /// <summary>Bytes that were read from the socket.</summary>
    public long BytesOut { get; private set; }

    internal GCHandle Handle;

    internal ByteQueue Outgoing { get; }

    internal bool IsTouched { get; set; }

    internal bool IsReady { get; set; }

    internal bool IsSendBlocked { get; set; }

    internal bool IsEndSent { get; set; }

    internal bool IsClosedByLibrary { get; private set; }

    internal bool HasToSend => !IsSendBlocked && !IsEndSent && !IsClosedByLibrary && (Outgoing.Unsent > 0 || _isEnding);

    /// <summary>Takes bytes that came off the stream.</summary>
    public void Consume(int count)
    {
        _incoming.Release(count);
        _connection.Release(this, count);
    }

    /// <summary>Sends bytes. Not after <see cref="Join"/>.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_isOver || _isAborted || IsClosedByLibrary)
            return;
        Outgoing.Append(bytes);
        _connection.MakeReady(this);
    }

    /// <summary>Ends this end's half, after what was written.</summary>
    public void Finish()
    {
        _isEnding = true;
        _connection.MakeReady(this);
    }

    /// <summary>Ends both halves at once, and resets a socket that is joined.</summary>
    /// <param name="code">Why, for the peer's program.</param>
    public void Abort(ulong code)
    {
        if (_isAborted || _isOver)
            return;
        _isAborted = true;
        Outgoing.Clear();
        DropIncoming();
        if (_connection.IsAlive && !IsClosedByLibrary)
            _ = Ngtcp2.ShutdownStream(_connection.Native, Id, code);
        _tcp?.Reset();
        _connection.Touch(this);
    }

    /// <summary>Makes one connection of the stream and a TCP socket, which the stream owns from now on.</summary>
    public void Join(TcpConnection tcp)
    {
        _deliversToSocket = true;
        Attach(tcp);
    }

    /// <summary>Delivers what comes to the socket from now on that <see cref="Attach"/> was called with.</summary>
    public void Deliver()
    {
        _deliversToSocket = true;
        _connection.Touch(this);
    }

    /// <summary>
    /// Sends what a TCP socket has, which the stream owns from now on, while what comes still goes to <see cref="IQuicEvents"/>, until
    /// <see cref="Deliver"/>: so a caller's first bytes need not wait for an answer.
    /// </summary>
    public void Attach(TcpConnection tcp)
    {
        ArgumentNullException.ThrowIfNull(tcp);
        if (_isOver || _isAborted)
        {
            tcp.Reset();
            return;
        }
        _tcp = tcp;
        tcp.Stream = this;
        _connection.Touch(this);
        _connection.MakeReady(this);
    }

    /// <summary>Whether the stream has nothing to send after so many more bytes.</summary>
    internal bool EndsAfter(long bytes) => _isEnding && Outgoing.Unsent == bytes;

    /// <summary>Reads from the socket what there is room for.</summary>
    internal void Fill()
    {
        if (_tcp is not { } tcp || _isEnding || _isAborted || _hasSocketFailed)
            return;
        while (tcp.MayRead && Outgoing.Unsent < _connection.MostUnsent)
        {
            Span<byte> room = Outgoing.Room();
            int count = tcp.Read(room);
            Outgoing.Commit(Math.Max(count, 0));
            if (count > 0)
            {
                BytesOut += count;
            }
            else if (count == 0)
            {
                _isEnding = true;
                return;
            }
            else if (count == TcpConnection.Failed)
            {
                // Not at once: a packet may be half written, during which the library must not be called for anything else.
                _hasSocketFailed = true;
                _connection.Touch(this);
                return;
            }
        }
    }

    /// <summary>Takes what the library received; false if nobody wants it any more.</summary>
    internal bool Take(ReadOnlySpan<byte> bytes, bool isEnd)
    {
        if (_isAborted || _isOver)
            return false;
        _incoming.Append(bytes);
        _hasPeerEnded |= isEnd;
        _connection.Touch(this);
        return true;
    }

    internal void NoteReset(ulong code)
    {
        _reset ??= code;
        _connection.Touch(this);
    }

    /// <summary>The library has forgotten the stream: both halves are over.</summary>
    internal void CloseByLibrary()
    {
        IsClosedByLibrary = true;
        Outgoing.Clear();
        if (Handle.IsAllocated)
            Handle.Free();
        _connection.Touch(this);
    }

    /// <summary>Passes on what has come, and tells what has happened.</summary>
    internal void Tell(IQuicEvents events)
    {
        if (_isOver)
            return;
        if (_hasSocketFailed)
            Abort(Reset);
        if (_reset is not null && !_isAborted)
        {
            if (!_deliversToSocket)
                events.OnReceived(this);
            Abort(Reset);
        }
        if (!_isAborted)
        {
            if (_deliversToSocket)
                WriteToSocket();
            else if (_incoming.Length > 0 || _hasPeerEnded)
                events.OnReceived(this);
        }
        if (IsClosedByLibrary && (_isAborted || !_deliversToSocket || (_incoming.Length == 0 && (_wasEndPassedOn || !_hasPeerEnded))))
            End(events);
    }

    /// <summary>The socket has room again, or bytes, or both.</summary>
    internal void OnSocketEvents()
    {
        if (_isOver || _isAborted)
            return;
        if (_tcp!.HasFailed)
        {
            Abort(Reset);
            return;
        }
        if (_tcp.MayRead && !_isEnding)
            _connection.MakeReady(this);
        if (_incoming.Length > 0 || IsClosedByLibrary)
            _connection.Touch(this);
    }

    /// <summary>The connection is over: a socket is reset, because nobody knows what of its bytes has arrived.</summary>
    internal void EndWithConnection(IQuicEvents events)
    {
        _isAborted = true;
        IsClosedByLibrary = true;
        _tcp?.Reset();
        End(events);
    }

    /// <summary>Returns all memory.</summary>
    internal void Forget()
    {
        _isOver = true;
        Outgoing.Clear();
        _incoming.Clear();
        if (Handle.IsAllocated)
            Handle.Free();
        _tcp?.Dispose();
    }

    private void End(IQuicEvents events)
    {
        if (_isOver)
            return;
        DropIncoming();
        _connection.Forget(this);
        Forget();
        events.OnStreamEnded(this);
    }

    private void DropIncoming()
    {
        long length = _incoming.Length;
        _incoming.Clear();
        if (length > 0)
            _connection.Release(this, length);
    }

    private void WriteToSocket()
    {
        Libc.Iovec* vectors = stackalloc Libc.Iovec[MostVectors];
        long total = 0;
        while (_incoming.Length > 0 && _tcp!.MayWrite)
        {
            int count = _incoming.Describe(0, long.MaxValue / 2, vectors, MostVectors);
            long written = _tcp.Write(vectors, count);
            if (written == TcpConnection.Failed)
            {
                Abort(Reset);
                return;
            }
            if (written <= 0)
                break;
            _incoming.Release(written);
            total += written;
        }
        BytesIn += total;
        if (total > 0)
            _connection.Release(this, total);
        if (_hasPeerEnded && !_wasEndPassedOn && _incoming.Length == 0)
        {
            _wasEndPassedOn = true;
            _tcp!.ShutDownWriting();
        }
    }
}
