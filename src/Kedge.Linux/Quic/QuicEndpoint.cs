using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Kedge.Linux.Interop;
using Kedge.Protocol;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Quic;

/// <summary>
/// A UDP port with the QUIC connections that use it. Everything of it belongs to the thread of its <see cref="EventLoop"/>. A call of the
/// library may call back; what comes of that is told to <see cref="IQuicEvents"/> only afterwards.
/// </summary>
public sealed unsafe class QuicEndpoint : EventSource
{
    private const int MostBatches = 4; // of half a megabyte each, before TCP gets its turn
    private const int ShortestReset = 22; // RFC 9000, section 10.3: no shorter than 21 bytes, and shorter than what it answers

    private static readonly Rate ResetRate = new(Burst: 100, TimeSpan.FromMilliseconds(10));

    // A client's connections end with its process, whose successor has another port: nobody asks for their tokens.
    private static readonly byte[] NoKey = RandomNumberGenerator.GetBytes(32);

    private readonly EventLoop _loop;
    private readonly QuicSocket _socket;
    private readonly Dictionary<CidKey, QuicConnection> _byId = [];
    private readonly HashSet<QuicConnection> _connections = [];
    private readonly Schedule<QuicConnection> _schedule = new();
    private readonly Queue<QuicConnection> _touched = new();
    private readonly List<QuicConnection> _round = [];
    private readonly List<QuicConnection> _dead = [];
    private readonly QuicSocket.Taker _take;
    private bool _mayReceive;
    private CidKey _lastKey;
    private QuicConnection? _lastConnection;
    private TokenBucket _resets;

    /// <summary>Opens a port.</summary>
    /// <param name="loop">Whose thread it belongs to from now on.</param>
    /// <param name="local">The address and UDP port; 0 for any port.</param>
    /// <param name="settings">How it is to behave.</param>
    /// <param name="events">Who is told what happens.</param>
    /// <exception cref="UserError">The libraries are not installed.</exception>
    /// <exception cref="LinuxException">The port cannot be had.</exception>
    public QuicEndpoint(EventLoop loop, Endpoint local, QuicSettings settings, IQuicEvents events)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(settings);
        Ngtcp2.Require();
        (_loop, Settings, Events) = (loop, settings, events);
        _socket = new QuicSocket(local);
        _take = Take;
        loop.Add(this, Libc.EPOLLIN | Libc.EPOLLOUT);
        loop.Add(this);
    }

    /// <summary>What connections that come in show and demand; null to let none in.</summary>
    public QuicCredentials? ServerCredentials { get; set; }

    /// <summary>The address and UDP port.</summary>
    public Endpoint Local => _socket.Local;

    /// <summary>Whether the kernel gives the socket less room than fast connections need (<c>net.core.rmem_max</c>).</summary>
    public bool HasShortQueue => _socket.HasShortQueue;

    /// <summary>The version of the library.</summary>
    public static string LibraryVersion
    {
        get
        {
            Ngtcp2.Require();
            return Ngtcp2.Version;
        }
    }

    /// <summary>How many handshakes of others are under way.</summary>
    internal int Handshakes { get; set; }

    internal QuicSettings Settings { get; }

    internal IQuicEvents Events { get; }

    internal ChunkPool Pool { get; } = new();

    internal bool IsBlocked { get; private set; }

    internal override int Number => _socket.Number;

    /// <summary>When <see cref="Advance"/> is to be called at the latest; 0 for at once.</summary>
    internal ulong NextDeadline => _mayReceive || _touched.Count > 0 ? 0
        : _schedule.Earliest == Instant.Never ? ulong.MaxValue
        : (ulong)Math.Max(_schedule.Earliest.Ticks, 0) * BootClock.NanosecondsPerTick;

    private byte* Buffer { get; } = (byte*)NativeMemory.Alloc(QuicSocket.BufferLength * 2);

    /// <summary>Starts a connection.</summary>
    /// <param name="remote">Where to.</param>
    /// <param name="credentials">What to show.</param>
    /// <param name="serverName">The name that is asked for in the handshake; an address is not sent.</param>
    /// <exception cref="QuicException">It cannot be started.</exception>
    public QuicConnection Connect(Endpoint remote, QuicCredentials credentials, string serverName)
    {
        ArgumentNullException.ThrowIfNull(credentials);
        var connection = QuicConnection.Connect(this, credentials, remote, serverName);
        Add(connection);
        Touch(connection);
        return connection;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (Index == 0)
            return;
        _loop.Remove((EventSource)this);
        _loop.Remove(this);
        foreach (QuicConnection connection in _connections.ToArray())
            connection.Close(0, "");
        RemoveDead();
        _socket.Dispose();
        Pool.Dispose();
        NativeMemory.Free(Buffer);
    }

    internal override void OnEvents(uint events)
    {
        if ((events & Libc.EPOLLIN) != 0)
            _mayReceive = true;
        if ((events & Libc.EPOLLOUT) != 0 && IsBlocked)
        {
            IsBlocked = false;
            foreach (QuicConnection connection in _connections)
                Touch(connection);
        }
    }

    /// <summary>Receives, lets timers run out, tells what has happened, and sends.</summary>
    internal void Advance()
    {
        for (int i = 0; _mayReceive && i < MostBatches; i++)
            _mayReceive = _socket.Receive(_take);
        Instant now = BootClock.Now;
        while (_schedule.TakeDue(now) is { } due)
        {
            due.Expire(EventLoop.Nanoseconds());
            _schedule.Put(due, now);
            Touch(due);
        }
        // Twice, because what is told may give others something to send.
        for (int i = 0; i < 2 && _touched.Count > 0; i++)
        {
            while (_touched.TryDequeue(out QuicConnection? connection))
            {
                connection.IsTouched = false;
                _round.Add(connection);
            }
            foreach (QuicConnection connection in _round)
                connection.Tell();
            foreach (QuicConnection connection in _round)
                connection.Send(Buffer);
            now = BootClock.Now;
            foreach (QuicConnection connection in _round)
            {
                if (connection.IsAlive)
                    _schedule.Put(connection, now);
            }
            _round.Clear();
        }
        RemoveDead();
    }

    /// <summary>Has a connection looked after in this round of the loop.</summary>
    internal void Touch(QuicConnection connection)
    {
        if (connection.IsAlive)
            TouchEnded(connection);
    }

    /// <summary>Has a connection looked after although it is over, so that its end is told.</summary>
    internal void TouchEnded(QuicConnection connection)
    {
        if (connection.IsTouched)
            return;
        connection.IsTouched = true;
        _touched.Enqueue(connection);
    }

    internal void Bury(QuicConnection connection) => _dead.Add(connection);

    internal void AddId(CidKey key, QuicConnection connection) => _byId[key] = connection;

    internal void RemoveId(CidKey key)
    {
        _byId.Remove(key);
        _lastConnection = null;
    }

    /// <summary>Sends a run; where there is no room, all connections wait until there is.</summary>
    internal bool Transmit(byte* start, int length, int segment, in Ngtcp2.Path path)
    {
        if (IsBlocked)
            return false;
        IsBlocked = !_socket.Send(start, length, segment, path.Local.Data, path.Remote.Data, path.Remote.Length);
        return !IsBlocked;
    }

    internal void WriteToken(Ngtcp2.Cid* id, byte* token)
    {
        byte[] key = Settings.ResetKey ?? NoKey;
        fixed (byte* start = key)
            _ = Ngtcp2.crypto_generate_stateless_reset_token(token, start, (nuint)key.Length, id);
    }

    private void Add(QuicConnection connection)
    {
        _connections.Add(connection);
        _schedule.Add(connection);
    }

    private void RemoveDead()
    {
        if (_dead.Count == 0)
            return;
        foreach (QuicConnection connection in _dead)
        {
            if (_connections.Remove(connection))
                _schedule.Remove(connection);
            connection.Free();
        }
        _dead.Clear();
        _lastConnection = null;
    }

    private void Take(byte* start, int length, int segment, Endpoint source, IpAddress destination)
    {
        ulong now = EventLoop.Nanoseconds();
        // A client's connections are known by the address that it is bound to, whichever the kernel takes for it.
        Endpoint local = ServerCredentials is null || destination.IsNone ? Local : new Endpoint(destination, Local.Port);
        byte* addresses = stackalloc byte[128];
        var path = new Ngtcp2.Path
        {
            Local = new() { Data = addresses, Length = SocketAddress.Write(local, addresses) },
            Remote = new() { Data = addresses + 64, Length = SocketAddress.Write(source, addresses + 64) },
        };
        for (int offset = 0; offset < length; offset += segment)
            TakeOne(start + offset, Math.Min(segment, length - offset), &path, source, local, now);
    }

    private void TakeOne(byte* packet, int length, Ngtcp2.Path* path, Endpoint source, Endpoint local, ulong now)
    {
        // ngtcp2_version_cid: version at 0, the destination's identifier at 8 and its length at 16, the source's at 24 and 32.
        byte* ids = stackalloc byte[40];
        if (Ngtcp2.pkt_decode_version_cid(ids, packet, (nuint)length, CidKey.OwnLength) != 0)
            return;
        uint version = *(uint*)ids;
        nuint idLength = *(nuint*)(ids + 16);
        if (idLength > CidKey.MaximumLength)
            return;
        CidKey key = CidKey.Of(new ReadOnlySpan<byte>(*(byte**)(ids + 8), (int)idLength));
        if (_lastConnection is null || key != _lastKey)
        {
            if (!_byId.TryGetValue(key, out QuicConnection? found))
            {
                if (version == 0)
                    AnswerUnknown(packet, length, path);
                else if (version == Ngtcp2.NGTCP2_PROTO_VER_V1)
                    Accept(packet, length, path, source, local, now);
                return;
            }
            (_lastKey, _lastConnection) = (key, found);
        }
        _lastConnection.Receive(packet, length, path, source, now);
    }

    private void Accept(byte* packet, int length, Ngtcp2.Path* path, Endpoint source, Endpoint local, ulong now)
    {
        byte* header = stackalloc byte[128]; // ngtcp2_pkt_hd: the destination's identifier at 0, the source's at 32
        if (ServerCredentials is not { } credentials || Handshakes >= Settings.MostHandshakes || _connections.Count >= Settings.MostConnections
            || Ngtcp2.accept(header, packet, (nuint)length) != 0)
            return;
        QuicConnection connection;
        try
        {
            connection = QuicConnection.Accept(this, credentials, (Ngtcp2.Cid*)header, (Ngtcp2.Cid*)(header + 32), source, local);
        }
        catch (QuicException)
        {
            return; // no memory
        }
        Add(connection);
        connection.Receive(packet, length, path, source, now);
    }

    /// <summary>Tells somebody whose connection an earlier run of this program had that it is over, as RFC 9000 has it in section 10.3.</summary>
    private void AnswerUnknown(byte* packet, int length, Ngtcp2.Path* path)
    {
        if (Settings.ResetKey is null || length <= ShortestReset || !TokenBucket.TryTake(ref _resets, BootClock.Now, ResetRate))
            return;
        var id = new Ngtcp2.Cid { Length = CidKey.OwnLength };
        new ReadOnlySpan<byte>(packet + 1, CidKey.OwnLength).CopyTo(new Span<byte>(id.Data, CidKey.OwnLength));
        byte* token = stackalloc byte[16];
        WriteToken(&id, token);
        byte* answer = stackalloc byte[64];
        byte* random = stackalloc byte[32];
        RandomNumberGenerator.Fill(new Span<byte>(random, 32));
        int answerLength = Math.Min(length - 1, 43);
        nint written = Ngtcp2.pkt_write_stateless_reset(answer, (nuint)answerLength, token, random, (nuint)(answerLength - 16));
        if (written <= 0)
            return;
        _ = _socket.Send(answer, (int)written, (int)written, path->Local.Data, path->Remote.Data, path->Remote.Length);
    }
}
