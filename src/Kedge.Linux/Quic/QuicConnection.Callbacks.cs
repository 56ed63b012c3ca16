using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Quic;

/// <summary>
/// What the libraries call, inside a call of theirs. Nothing may be thrown through them, and they may not be called again from here but for
/// credit: what happens is noted, and told afterwards by <see cref="Tell"/>.
/// </summary>
public sealed unsafe partial class QuicConnection
{
    private const int CallbackFailed = Ngtcp2.NGTCP2_ERR_CALLBACK_FAILURE;

    // What all streams of a connection may hold for readers that stall: more than a hundred of them at their largest. Beyond it the whole
    // connection waits, rather than take all memory.
    private const long MostBuffered = 512 << 20;

    private static readonly nint*[] s_callbacks = new nint*[2]; // of clients and of servers; never freed
    private static readonly Lock s_callbacksLock = new();

    private readonly List<QuicStream> _opened = [];
    private readonly List<QuicStream> _touchedStreams = [];
    private long _buffered;
    private long _withheld;
    private bool _isHandshakeComplete;
    private bool _allowsStreams;

    /// <summary>The function by which GnuTLS has the peer's certificates judged.</summary>
    internal static nint VerifyFunction => (nint)(delegate* unmanaged<nint, int>)&OnVerify;

    /// <summary>Tells what the last calls of the library have brought.</summary>
    internal void Tell()
    {
        if (_isHandshakeComplete && !IsConnected && IsAlive)
        {
            _isHandshakeComplete = false;
            EndHandshake();
            Protocol = SelectedProtocol();
            IsConnected = true;
            _endpoint.Events.OnConnected(this);
        }
        for (int i = 0; i < _opened.Count; i++)
            _endpoint.Events.OnStream(_opened[i]);
        _opened.Clear();
        for (int i = 0; i < _touchedStreams.Count; i++) // which may grow meanwhile
        {
            QuicStream stream = _touchedStreams[i];
            stream.IsTouched = false;
            stream.Tell(_endpoint.Events);
        }
        _touchedStreams.Clear();
        if (_allowsStreams && IsAlive)
        {
            _allowsStreams = false;
            _endpoint.Events.OnStreamsAllowed(this);
        }
        if (_end is { } end && !_isClosed)
        {
            _isClosed = true;
            IsConnected = false;
            EndStreams();
            _endpoint.Events.OnClosed(this, end);
            _endpoint.Bury(this);
        }
    }

    /// <summary>Has a stream looked after in this round.</summary>
    internal void Touch(QuicStream stream)
    {
        if (!stream.IsTouched)
        {
            stream.IsTouched = true;
            _touchedStreams.Add(stream);
        }
        _endpoint.TouchEnded(this);
    }

    /// <summary>A stream's reader has taken bytes: the peer may send as many more.</summary>
    internal void Release(QuicStream stream, long count)
    {
        _buffered -= count;
        if (!IsAlive)
            return;
        if (!stream.IsClosedByLibrary)
            _ = Ngtcp2.conn_extend_max_stream_offset(_connection, stream.Id, (ulong)count);
        if (_withheld > 0 && _buffered <= MostBuffered)
        {
            Ngtcp2.conn_extend_max_offset(_connection, (ulong)_withheld);
            _withheld = 0;
        }
        _endpoint.Touch(this);
    }

    private void EndStreams()
    {
        QuicStream[] streams = [.. _streams.Values];
        foreach (QuicStream stream in streams)
            stream.EndWithConnection(_endpoint.Events);
    }

    private string SelectedProtocol()
    {
        Gnutls.Datum name;
        return Gnutls.gnutls_alpn_get_selected_protocol(_session, &name) == 0
            ? Encoding.ASCII.GetString(new ReadOnlySpan<byte>(name.Data, (int)name.Size))
            : "";
    }

    private static QuicConnection Of(nint handle) => (QuicConnection)GCHandle.FromIntPtr(handle).Target!;

    private static QuicStream? StreamOf(nint handle) => handle == 0 ? null : (QuicStream?)GCHandle.FromIntPtr(handle).Target;

    /// <summary>The table <c>ngtcp2_callbacks</c>, by index.</summary>
    private static nint* Callbacks(bool isServer)
    {
        lock (s_callbacksLock)
        {
            ref nint* table = ref s_callbacks[isServer ? 1 : 0];
            if (table != null)
                return table;
            var made = (nint*)NativeMemory.AllocZeroed(Ngtcp2.CallbacksSize);
            if (isServer)
                made[1] = Ngtcp2.HelperCallback("recv_client_initial_cb");
            else
                made[0] = Ngtcp2.HelperCallback("client_initial_cb");
            made[2] = Ngtcp2.HelperCallback("recv_crypto_data_cb");
            made[3] = (nint)(delegate* unmanaged<nint, nint, int>)&OnHandshakeCompleted;
            made[5] = Ngtcp2.HelperCallback("encrypt_cb");
            made[6] = Ngtcp2.HelperCallback("decrypt_cb");
            made[7] = Ngtcp2.HelperCallback("hp_mask_cb");
            made[8] = (nint)(delegate* unmanaged<nint, uint, long, ulong, byte*, nuint, nint, nint, int>)&OnStreamData;
            made[9] = (nint)(delegate* unmanaged<nint, long, ulong, ulong, nint, nint, int>)&OnAcknowledged;
            made[10] = (nint)(delegate* unmanaged<nint, long, nint, int>)&OnStreamOpened;
            made[11] = (nint)(delegate* unmanaged<nint, uint, long, ulong, nint, nint, int>)&OnStreamClosed;
            made[12] = (nint)(delegate* unmanaged<nint, nint, nint, int>)&OnStatelessReset;
            if (!isServer)
                made[13] = Ngtcp2.HelperCallback("recv_retry_cb");
            made[14] = (nint)(delegate* unmanaged<nint, ulong, nint, int>)&OnStreamsAllowed;
            made[16] = (nint)(delegate* unmanaged<byte*, nuint, nint, void>)&OnRandom;
            made[17] = (nint)(delegate* unmanaged<nint, Ngtcp2.Cid*, byte*, nuint, nint, int>)&OnNewId;
            made[18] = (nint)(delegate* unmanaged<nint, Ngtcp2.Cid*, nint, int>)&OnRemoveId;
            made[19] = Ngtcp2.HelperCallback("update_key_cb");
            made[22] = (nint)(delegate* unmanaged<nint, long, ulong, ulong, nint, nint, int>)&OnStreamReset;
            made[25] = (nint)(delegate* unmanaged<nint, long, ulong, nint, nint, int>)&OnStreamCredit;
            made[29] = Ngtcp2.HelperCallback("delete_crypto_aead_ctx_cb");
            made[30] = Ngtcp2.HelperCallback("delete_crypto_cipher_ctx_cb");
            made[34] = Ngtcp2.HelperCallback("get_path_challenge_data_cb");
            made[35] = (nint)(delegate* unmanaged<nint, long, ulong, nint, nint, int>)&OnStopSending;
            made[36] = Ngtcp2.HelperCallback("version_negotiation_cb");
            table = made;
            return table;
        }
    }

    /// <summary>For the helper, which finds the connection of a TLS session by it.</summary>
    [UnmanagedCallersOnly]
    private static nint OnGetConnection(nint* reference) => Of(reference[1])._connection;

    [UnmanagedCallersOnly]
    private static int OnVerify(nint session)
    {
        const int Refused = -1;
        try
        {
            QuicConnection connection = Of(((nint*)Gnutls.gnutls_session_get_ptr(session))[1]);
            uint count = 0;
            Gnutls.Datum* peers = Gnutls.gnutls_certificate_get_peers(session, &count);
            var certificates = new byte[peers == null ? 0 : Math.Min(count, 16)][];
            for (int i = 0; i < certificates.Length; i++)
                certificates[i] = new ReadOnlySpan<byte>(peers[i].Data, (int)peers[i].Size).ToArray();
            return connection._endpoint.Events.Verify(connection, certificates) ? 0 : Refused;
        }
        catch (Exception)
        {
            return Refused; // what cannot be judged is not let in
        }
    }

    [UnmanagedCallersOnly]
    private static int OnHandshakeCompleted(nint connection, nint self)
    {
        Of(self)._isHandshakeComplete = true;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnStreamOpened(nint connection, long id, nint self)
    {
        QuicConnection owner = Of(self);
        var stream = new QuicStream(owner) { Id = id, IsPeers = true };
        if (Ngtcp2.conn_set_stream_user_data(connection, id, GCHandle.ToIntPtr(stream.Handle)) != 0)
        {
            stream.Handle.Free();
            return CallbackFailed;
        }
        owner._streams.Add(id, stream);
        owner._opened.Add(stream);
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnStreamData(nint connection, uint flags, long id, ulong offset, byte* data, nuint length, nint self, nint stream)
    {
        QuicConnection owner = Of(self);
        bool isHeld = StreamOf(stream) is { } target && target.Take(new ReadOnlySpan<byte>(data, (int)length), (flags & Ngtcp2.NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
        // Credit of the connection comes back at once, so that one slow reader does not stop the others; up to what all may hold together.
        if (isHeld)
            owner._buffered += (long)length;
        if (isHeld && owner._buffered > MostBuffered)
            owner._withheld += (long)length;
        else
            Ngtcp2.conn_extend_max_offset(connection, length);
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnAcknowledged(nint connection, long id, ulong offset, ulong length, nint self, nint stream)
    {
        StreamOf(stream)?.Outgoing.Release((long)length);
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnStreamClosed(nint connection, uint flags, long id, ulong code, nint self, nint stream)
    {
        if (StreamOf(stream) is { } closed)
            closed.CloseByLibrary();
        if ((id & 1) == (Of(self)._isServer ? 0 : 1))
            Ngtcp2.conn_extend_max_streams_bidi(connection, 1);
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnStreamReset(nint connection, long id, ulong finalSize, ulong code, nint self, nint stream)
    {
        StreamOf(stream)?.NoteReset(code);
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnStopSending(nint connection, long id, ulong code, nint self, nint stream)
    {
        StreamOf(stream)?.NoteReset(code);
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnStreamCredit(nint connection, long id, ulong limit, nint self, nint stream)
    {
        if (StreamOf(stream) is { } target)
        {
            target.IsSendBlocked = false;
            Of(self).MakeReady(target);
        }
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnStreamsAllowed(nint connection, ulong limit, nint self)
    {
        QuicConnection owner = Of(self);
        owner._allowsStreams = true;
        owner._endpoint.Touch(owner);
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnStatelessReset(nint connection, nint reset, nint self)
    {
        Of(self)._wasReset = true;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static void OnRandom(byte* destination, nuint length, nint context) =>
        RandomNumberGenerator.Fill(new Span<byte>(destination, (int)length));

    [UnmanagedCallersOnly]
    private static int OnNewId(nint connection, Ngtcp2.Cid* id, byte* token, nuint length, nint self)
    {
        QuicConnection owner = Of(self);
        id->Length = length;
        RandomNumberGenerator.Fill(new Span<byte>(id->Data, (int)length));
        owner._endpoint.WriteToken(id, token);
        CidKey key = KeyOf(id);
        owner._ids.Add(key);
        owner._endpoint.AddId(key, owner);
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int OnRemoveId(nint connection, Ngtcp2.Cid* id, nint self)
    {
        QuicConnection owner = Of(self);
        CidKey key = KeyOf(id);
        owner._ids.Remove(key);
        owner._endpoint.RemoveId(key);
        return 0;
    }
}
