using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Kedge.Linux.Interop;
using Kedge.Protocol;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Quic;

/// <summary>A QUIC connection. Belongs to the thread of its endpoint's loop; when it is over, every call does nothing.</summary>
public sealed unsafe partial class QuicConnection : IScheduled<QuicConnection>
{
    // Windows: a stream begins with what a stalled reader may cost, and grows while its reader keeps up; not further, because a reader that
    // stalls later keeps what it has grown to.
    private const ulong StreamWindow = 256 << 10;
    private const ulong LargestStreamWindow = 4 << 20;
    private const ulong ConnectionWindow = 2 << 20;
    private const ulong LargestConnectionWindow = 32 << 20;
    private const int InternalError = 0x1;

    // Nanoseconds. A third of what RFC 9002 suggests: a lost first packet is sent again after 0.3 s, at the cost of one too many on long ways.
    private const ulong InitialRoundTrip = 100_000_000;

    private readonly QuicEndpoint _endpoint;
    private readonly GCHandle _self;
    private readonly QuicCredentials _credentials; // keeps them alive
    private readonly byte* _memory; // the reference that TLS has to this, and the addresses of a path
    private readonly Dictionary<long, QuicStream> _streams = [];
    private readonly HashSet<CidKey> _ids = [];
    private CidKey _initialId, _firstId;
    private nint _connection;
    private nint _session;
    private ulong _startedAt;
    private bool _isServer;
    private bool _countsAsHandshake;
    private bool _wasReset;
    private bool _isClosed;
    private QuicEnd? _end;

    private QuicConnection(QuicEndpoint endpoint, QuicCredentials credentials, Endpoint remote)
    {
        (_endpoint, _credentials, Remote) = (endpoint, credentials, remote);
        Scheduled = new Schedule<QuicConnection>.Entry(this);
        _self = GCHandle.Alloc(this);
        _memory = (byte*)NativeMemory.AllocZeroed(512);
        LastReceived = BootClock.Now;
    }

    /// <summary>Anything that its user wants to find with it.</summary>
    public object? Tag { get; set; }

    /// <summary>Where the peer was last heard from.</summary>
    public Endpoint Remote { get; private set; }

    /// <summary>When the peer was last heard.</summary>
    public Instant LastReceived { get; private set; }

    /// <summary>The protocol that both speak; empty before the handshake is complete.</summary>
    public string Protocol { get; private set; } = "";

    /// <summary>Whether the handshake is complete and the connection not over.</summary>
    public bool IsConnected { get; private set; }

    /// <summary>Whether the connection is not over.</summary>
    public bool IsAlive => _connection != 0 && _end is null && !_isClosed;

    /// <summary>The shortest time to the peer and back that was measured; zero before it is known.</summary>
    public TimeSpan RoundTrip => IsAlive && IsConnected && ShortestRoundTrip() is var time and < long.MaxValue
        ? TimeSpan.FromTicks((long)(time / BootClock.NanosecondsPerTick))
        : TimeSpan.Zero;

    /// <inheritdoc/>
    public Schedule<QuicConnection>.Entry Scheduled { get; }

    /// <summary>Whether it is to be looked after in this round.</summary>
    internal bool IsTouched { get; set; }

    internal ChunkPool Pool => _endpoint.Pool;

    internal nint Native => _connection;

    /// <inheritdoc/>
    public Instant NextDeadline(Instant now)
    {
        if (!IsAlive || _endpoint.IsBlocked)
            return Instant.Never;
        ulong expiry = Ngtcp2.conn_get_expiry(_connection);
        return expiry >= long.MaxValue ? Instant.Never : new Instant((long)(expiry / BootClock.NanosecondsPerTick) + 1);
    }

    /// <summary>Opens a stream for both directions.</summary>
    /// <returns>Null if the peer allows no more now: <see cref="IQuicEvents.OnStreamsAllowed"/> tells when it does.</returns>
    public QuicStream? OpenStream()
    {
        if (!IsAlive || !IsConnected)
            return null;
        var stream = new QuicStream(this);
        long id;
        if (Ngtcp2.conn_open_bidi_stream(_connection, &id, GCHandle.ToIntPtr(stream.Handle)) != 0)
        {
            stream.Handle.Free();
            return null;
        }
        stream.Id = id;
        _streams.Add(id, stream);
        return stream;
    }

    /// <summary>Asks the peer at once whether it is there; <see cref="LastReceived"/> tells whether it has answered.</summary>
    public void Probe()
    {
        if (!IsAlive)
            return;
        Ngtcp2.conn_set_keep_alive_timeout(_connection, 1_000_000);
        _endpoint.Touch(this);
    }

    /// <summary>Ends a probe: the peer is asked as seldom as usual again.</summary>
    public void EndProbe()
    {
        if (IsAlive)
            Ngtcp2.conn_set_keep_alive_timeout(_connection, Nanoseconds(_endpoint.Settings.KeepAlive));
    }

    /// <summary>Closes the connection, and every stream of it.</summary>
    /// <param name="code">Why, for the peer's program.</param>
    /// <param name="reason">Why, in a few words of ASCII.</param>
    public void Close(ulong code, string reason)
    {
        if (!IsAlive)
            return;
        byte[] text = Encoding.ASCII.GetBytes(reason);
        Ngtcp2.CloseError error;
        Ngtcp2.close_error_default(&error);
        fixed (byte* start = text)
        {
            Ngtcp2.close_error_set_application(&error, code, start, (nuint)text.Length);
            WriteClose(&error);
        }
        _isClosed = true;
        IsConnected = false;
        EndStreams();
        _endpoint.Bury(this);
    }

    internal static QuicConnection Connect(QuicEndpoint endpoint, QuicCredentials credentials, Endpoint remote, string serverName)
    {
        var connection = new QuicConnection(endpoint, credentials, remote);
        try
        {
            Ngtcp2.Cid destination = NewId(18), source = NewId(CidKey.OwnLength);
            connection.Create(isServer: false, endpoint.Local, &destination, &source, null);
            byte[] name = Encoding.ASCII.GetBytes(serverName);
            if (!IpAddress.TryParse(serverName, out _))
            {
                fixed (byte* start = name)
                    QuicCredentials.Check(Gnutls.gnutls_server_name_set(connection._session, Gnutls.GNUTLS_NAME_DNS, start, (nuint)name.Length), "name the server");
            }
            endpoint.AddId(KeyOf(&source), connection);
            return connection;
        }
        catch
        {
            connection.Free();
            throw;
        }
    }

    internal static QuicConnection Accept(
        QuicEndpoint endpoint, QuicCredentials credentials, Ngtcp2.Cid* destination, Ngtcp2.Cid* source, Endpoint remote, Endpoint local)
    {
        var connection = new QuicConnection(endpoint, credentials, remote);
        try
        {
            Ngtcp2.Cid own = NewId(CidKey.OwnLength);
            connection.Create(isServer: true, local, source, &own, destination);
            endpoint.AddId(KeyOf(destination), connection);
            endpoint.AddId(KeyOf(&own), connection);
            connection._initialId = KeyOf(destination);
            connection._countsAsHandshake = true;
            endpoint.Handshakes++;
            return connection;
        }
        catch
        {
            connection.Free();
            throw;
        }
    }

    /// <summary>Takes a packet that bears an identifier of this connection.</summary>
    internal void Receive(byte* packet, int length, Ngtcp2.Path* path, Endpoint source, ulong now)
    {
        if (!IsAlive)
            return;
        uint information = 0;
        now = Math.Max(now, _startedAt); // the clock of a batch may be older than a connection that began in it
        int result = Ngtcp2.conn_read_pkt(_connection, path, Ngtcp2.StructureVersion, &information, packet, (nuint)length, now);
        if (result == 0)
        {
            LastReceived = new Instant((long)(now / BootClock.NanosecondsPerTick));
            Remote = source;
        }
        else
        {
            Fail(result);
        }
        _endpoint.Touch(this);
    }

    /// <summary>Lets the library's timers run out.</summary>
    internal void Expire(ulong now)
    {
        if (!IsAlive)
            return;
        int result = Ngtcp2.conn_handle_expiry(_connection, now);
        if (result != 0)
            Fail(result);
    }

    /// <summary>Returns all memory. Called once, when nobody finds the connection any more.</summary>
    internal void Free()
    {
        EndHandshake();
        foreach (CidKey key in _ids)
            _endpoint.RemoveId(key);
        _ids.Clear();
        _endpoint.RemoveId(_initialId);
        _endpoint.RemoveId(_firstId);
        foreach (QuicStream stream in _streams.Values)
            stream.Forget();
        _streams.Clear();
        if (_connection != 0)
            Ngtcp2.conn_del(_connection);
        if (_session != 0)
            Gnutls.gnutls_deinit(_session);
        (_connection, _session) = (0, 0);
        if (_self.IsAllocated)
        {
            _self.Free();
            NativeMemory.Free(_memory);
        }
        GC.KeepAlive(_credentials);
    }

    internal void Forget(QuicStream stream) => _streams.Remove(stream.Id);

    private static ulong Nanoseconds(TimeSpan time) => (ulong)(time.Ticks * BootClock.NanosecondsPerTick);

    private static CidKey KeyOf(Ngtcp2.Cid* id) => CidKey.Of(new ReadOnlySpan<byte>(id->Data, (int)id->Length));

    private static Ngtcp2.Cid NewId(int length)
    {
        var id = new Ngtcp2.Cid { Length = (nuint)length };
        RandomNumberGenerator.Fill(new Span<byte>(id.Data, length));
        return id;
    }

    /// <summary>A path, whose addresses are in this connection's memory until the next one is made.</summary>
    private Ngtcp2.Path PathOf(Endpoint local, Endpoint remote)
    {
        byte* localAddress = _memory + 64, remoteAddress = _memory + 128;
        uint localLength = SocketAddress.Write(local, localAddress);
        uint remoteLength = SocketAddress.Write(remote, remoteAddress);
        return new Ngtcp2.Path
        {
            Local = new() { Data = localAddress, Length = localLength },
            Remote = new() { Data = remoteAddress, Length = remoteLength },
        };
    }

    private void Create(bool isServer, Endpoint local, Ngtcp2.Cid* destination, Ngtcp2.Cid* source, Ngtcp2.Cid* original)
    {
        Ngtcp2.FieldOffsets offsets = Ngtcp2.Offsets;
        QuicSettings settings = _endpoint.Settings;
        _isServer = isServer;
        _firstId = KeyOf(source);
        _session = _credentials.CreateSession(isServer);
        var reference = (nint*)_memory;
        reference[0] = (nint)(delegate* unmanaged<nint*, nint>)&OnGetConnection;
        reference[1] = GCHandle.ToIntPtr(_self);
        Gnutls.gnutls_session_set_ptr(_session, (nint)reference);
        SetProtocols(settings.Protocols);

        byte* library = stackalloc byte[Ngtcp2.SettingsSize];
        new Span<byte>(library, Ngtcp2.SettingsSize).Clear();
        Ngtcp2.settings_default(Ngtcp2.StructureVersion, library);
        *(int*)(library + offsets.CongestionControl) = offsets.Bbr;
        _startedAt = EventLoop.Nanoseconds();
        *(ulong*)(library + offsets.InitialTime) = _startedAt;
        *(ulong*)(library + offsets.InitialRoundTrip) = InitialRoundTrip;
        *(ulong*)(library + offsets.MaximumWindow) = LargestConnectionWindow;
        *(ulong*)(library + offsets.MaximumStreamWindow) = LargestStreamWindow;
        *(ulong*)(library + offsets.AckThreshold) = 10;
        *(ulong*)(library + offsets.HandshakeTimeout) = Nanoseconds(settings.HandshakeTimeout);

        byte* parameters = stackalloc byte[Ngtcp2.ParametersSize];
        new Span<byte>(parameters, Ngtcp2.ParametersSize).Clear();
        Ngtcp2.transport_params_default(Ngtcp2.StructureVersion, parameters);
        *(ulong*)(parameters + 192) = StreamWindow; // initial_max_stream_data_bidi_local
        *(ulong*)(parameters + 200) = StreamWindow; // initial_max_stream_data_bidi_remote
        *(ulong*)(parameters + 216) = ConnectionWindow; // initial_max_data
        *(ulong*)(parameters + 224) = (ulong)settings.MostPeerStreams; // initial_max_streams_bidi
        *(ulong*)(parameters + 240) = Nanoseconds(settings.IdleTimeout); // max_idle_timeout
        if (original != null)
        {
            *(Ngtcp2.Cid*)(parameters + 96) = *original; // original_dcid
            if (offsets.OriginalIdPresent >= 0)
                parameters[offsets.OriginalIdPresent] = 1;
            parameters[288] = 1; // stateless_reset_token_present
            _endpoint.WriteToken(source, parameters + offsets.ResetToken);
        }

        Ngtcp2.Path path = PathOf(local, Remote);
        nint connection;
        nint* callbacks = Callbacks(isServer);
        int result = isServer
            ? Ngtcp2.conn_server_new(
                &connection, destination, source, &path, Ngtcp2.NGTCP2_PROTO_VER_V1, Ngtcp2.StructureVersion, callbacks,
                Ngtcp2.StructureVersion, library, Ngtcp2.StructureVersion, parameters, 0, GCHandle.ToIntPtr(_self))
            : Ngtcp2.conn_client_new(
                &connection, destination, source, &path, Ngtcp2.NGTCP2_PROTO_VER_V1, Ngtcp2.StructureVersion, callbacks,
                Ngtcp2.StructureVersion, library, Ngtcp2.StructureVersion, parameters, 0, GCHandle.ToIntPtr(_self));
        if (result != 0)
            throw new QuicException($"make a connection: {Ngtcp2.Describe(result)}");
        _connection = connection;
        Ngtcp2.conn_set_tls_native_handle(connection, _session);
        Ngtcp2.conn_set_keep_alive_timeout(connection, Nanoseconds(settings.KeepAlive));
    }

    private void SetProtocols(IReadOnlyList<string> protocols)
    {
        byte* text = stackalloc byte[256];
        Gnutls.Datum* names = stackalloc Gnutls.Datum[protocols.Count];
        int length = 0;
        for (int i = 0; i < protocols.Count; i++)
        {
            int count = Encoding.ASCII.GetBytes(protocols[i], new Span<byte>(text + length, 256 - length));
            names[i] = new() { Data = text + length, Size = (uint)count };
            length += count;
        }
        QuicCredentials.Check(
            Gnutls.gnutls_alpn_set_protocols(
                _session, names, (uint)protocols.Count, Gnutls.GNUTLS_ALPN_MANDATORY | Gnutls.GNUTLS_ALPN_SERVER_PRECEDENCE),
            "name protocols");
    }

    /// <summary>Takes a code by which a call of the library failed; most mean the connection's end.</summary>
    private void Fail(int result)
    {
        if (_end is not null)
            return;
        if (result == Ngtcp2.ErrDraining || result == Ngtcp2.ErrClosing)
        {
            _end = EndOfPeer();
        }
        else if (result == Ngtcp2.ErrIdleClose || result == Ngtcp2.ErrHandshakeTimeout)
        {
            _end = new QuicEnd(QuicEndKind.Silent, 0, "");
        }
        else if (result == Ngtcp2.ErrDiscardPacket)
        {
            return;
        }
        else if (result == Ngtcp2.ErrDropConnection)
        {
            _end = new QuicEnd(QuicEndKind.FailedHere, InternalError, Ngtcp2.Describe(result));
        }
        else
        {
            byte alert = result == Ngtcp2.ErrCrypto ? Ngtcp2.conn_get_tls_alert(_connection) : (byte)0;
            Ngtcp2.CloseError error;
            Ngtcp2.close_error_default(&error);
            if (result == Ngtcp2.ErrCrypto)
                Ngtcp2.close_error_set_tls_alert(&error, alert, null, 0);
            else
                Ngtcp2.close_error_set_liberr(&error, result, null, 0);
            WriteClose(&error);
            _end = new QuicEnd(QuicEndKind.FailedHere, alert != 0 ? 256u + alert : InternalError, Ngtcp2.Describe(result));
        }
        IsConnected = false;
        _endpoint.TouchEnded(this);
    }

    private QuicEnd EndOfPeer()
    {
        if (_wasReset)
            return new QuicEnd(QuicEndKind.Forgotten, 0, "");
        Ngtcp2.CloseError error = Ngtcp2.PeersCloseError(_connection);
        const int Application = 1;
        string reason = error.ReasonLength == 0
            ? ""
            : Encoding.UTF8.GetString(new ReadOnlySpan<byte>(error.Reason, (int)Math.Min(error.ReasonLength, 256)));
        return new QuicEnd(error.Type == Application ? QuicEndKind.ClosedByPeer : QuicEndKind.FailedAtPeer, error.Code, reason);
    }

    private void EndHandshake()
    {
        if (_countsAsHandshake)
            _endpoint.Handshakes--;
        _countsAsHandshake = false;
    }
}
