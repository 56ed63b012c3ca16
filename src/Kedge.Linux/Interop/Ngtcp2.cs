using System.Runtime.InteropServices;
using Kedge.Protocol;

namespace Kedge.Linux.Interop;

/// <summary>
/// ngtcp2 and its GnuTLS helper, by their C names. Debian 12 has 0.12.1 and Debian 13 has 1.11, whose structures and codes differ: the
/// library is therefore looked up at run time, and what differs is chosen then. Call <see cref="Require"/> first.
/// </summary>
internal static unsafe class Ngtcp2
{
    internal const uint NGTCP2_PROTO_VER_V1 = 1;
    internal const uint NGTCP2_STREAM_DATA_FLAG_FIN = 1;
    internal const uint NGTCP2_WRITE_STREAM_FLAG_MORE = 1;
    internal const uint NGTCP2_WRITE_STREAM_FLAG_FIN = 2;
    internal const int NGTCP2_ERR_CALLBACK_FAILURE = -502;
    internal const int StructureVersion = 1;

    // Larger than any release's structures: the libraries clear and fill only what they know.
    internal const int SettingsSize = 512;
    internal const int ParametersSize = 512;
    internal const int CallbacksSize = 512;
    internal const int StatisticsSize = 512;

    private static readonly Lock Loading = new();
    private static bool _isLoaded;

    // Codes that were renumbered for 1.0.
    internal static int ErrStreamDataBlocked { get; private set; }

    internal static int ErrStreamShutWr { get; private set; }

    internal static int ErrStreamNotFound { get; private set; }

    internal static int ErrClosing { get; private set; }

    internal static int ErrDraining { get; private set; }

    internal static int ErrWriteMore { get; private set; }

    internal static int ErrIdleClose { get; private set; }

    internal static int ErrHandshakeTimeout { get; private set; }

    internal static int ErrCrypto { get; private set; }

    internal static int ErrDiscardPacket { get; private set; }

    internal static int ErrDropConnection { get; private set; }

    /// <summary>Where the fields of <c>ngtcp2_settings</c> and <c>ngtcp2_transport_params</c> are.</summary>
    internal static FieldOffsets Offsets { get; private set; }

    internal static string Version { get; private set; } = "";

    internal static delegate* unmanaged<int, byte*, void> settings_default;
    internal static delegate* unmanaged<int, byte*, void> transport_params_default;
    internal static delegate* unmanaged<nint*, Cid*, Cid*, Path*, uint, int, nint*, int, byte*, int, byte*, nint, nint, int> conn_client_new;
    internal static delegate* unmanaged<nint*, Cid*, Cid*, Path*, uint, int, nint*, int, byte*, int, byte*, nint, nint, int> conn_server_new;
    internal static delegate* unmanaged<nint, void> conn_del;
    internal static delegate* unmanaged<nint, Path*, int, uint*, byte*, nuint, ulong, int> conn_read_pkt;
    internal static delegate* unmanaged<nint, Path*, int, uint*, byte*, nuint, nint*, uint, long, Libc.Iovec*, nuint, ulong, nint> conn_writev_stream;
    internal static delegate* unmanaged<nint, Path*, int, uint*, byte*, nuint, CloseError*, ulong, nint> conn_write_connection_close;
    internal static delegate* unmanaged<nint, ulong, int> conn_handle_expiry;
    internal static delegate* unmanaged<nint, ulong> conn_get_expiry;
    internal static delegate* unmanaged<nint, ulong, void> conn_set_keep_alive_timeout;
    internal static delegate* unmanaged<nint, nint, void> conn_set_tls_native_handle;
    internal static delegate* unmanaged<nint, nuint> conn_get_max_tx_udp_payload_size;
    internal static delegate* unmanaged<nint, nuint> conn_get_send_quantum;
    internal static delegate* unmanaged<nint, ulong, void> conn_update_pkt_tx_time;
    internal static delegate* unmanaged<nint, int, byte*, void> conn_get_statistics;
    internal static delegate* unmanaged<nint, long*, nint, int> conn_open_bidi_stream;
    internal static delegate* unmanaged<nint, long, nint, int> conn_set_stream_user_data;
    internal static delegate* unmanaged<nint, long, ulong, int> conn_extend_max_stream_offset;
    internal static delegate* unmanaged<nint, ulong, void> conn_extend_max_offset;
    internal static delegate* unmanaged<nint, nuint, void> conn_extend_max_streams_bidi;
    internal static delegate* unmanaged<nint, ulong> conn_get_max_data_left;
    internal static delegate* unmanaged<nint, byte> conn_get_tls_alert;
    internal static delegate* unmanaged<byte*, byte*, nuint, nuint, int> pkt_decode_version_cid;
    internal static delegate* unmanaged<byte*, byte*, nuint, int> accept;
    internal static delegate* unmanaged<byte*, nuint, byte*, byte*, nuint, nint> pkt_write_stateless_reset;
    internal static delegate* unmanaged<CloseError*, void> close_error_default;
    internal static delegate* unmanaged<CloseError*, ulong, byte*, nuint, void> close_error_set_application;
    internal static delegate* unmanaged<CloseError*, int, byte*, nuint, void> close_error_set_liberr;
    internal static delegate* unmanaged<CloseError*, byte, byte*, nuint, void> close_error_set_tls_alert;
    internal static delegate* unmanaged<int, byte*> strerror;
    internal static delegate* unmanaged<nint, int> crypto_configure_client_session;
    internal static delegate* unmanaged<nint, int> crypto_configure_server_session;
    internal static delegate* unmanaged<byte*, byte*, nuint, Cid*, int> crypto_generate_stateless_reset_token;

    // Those that got another form with 1.0.
    private static delegate* unmanaged<nint, long, ulong, int> s_shutdownOld;
    private static delegate* unmanaged<nint, uint, long, ulong, int> s_shutdown;
    private static delegate* unmanaged<nint, long, ulong, int> s_shutdownWriteOld;
    private static delegate* unmanaged<nint, uint, long, ulong, int> s_shutdownWrite;
    private static delegate* unmanaged<nint, CloseError*, void> s_closeErrorOld;
    private static delegate* unmanaged<nint, CloseError*> s_closeError;

    private static nint s_library, s_helper;

    /// <summary><c>ngtcp2_cid</c>.</summary>
    internal struct Cid
    {
        public nuint Length;
        public fixed byte Data[20];
    }

    /// <summary><c>ngtcp2_addr</c>.</summary>
    internal struct Address
    {
        public byte* Data;
        public uint Length;
    }

    /// <summary><c>ngtcp2_path</c>.</summary>
    internal struct Path
    {
        public Address Local;
        public Address Remote;
        public nint UserData;
    }

    /// <summary><c>ngtcp2_connection_close_error</c>, later <c>ngtcp2_ccerr</c>.</summary>
    internal struct CloseError
    {
        public int Type;
        public ulong Code;
        public ulong FrameType;
        public byte* Reason;
        public nuint ReasonLength;
    }

    /// <summary>Where a release has its fields, in bytes from the start of the structure.</summary>
    internal readonly record struct FieldOffsets(
        int CongestionControl, int InitialTime, int InitialRoundTrip, int MaximumWindow, int MaximumStreamWindow, int AckThreshold,
        int HandshakeTimeout, int OriginalIdPresent, int ResetToken, int Bbr);

    /// <summary>Loads both libraries.</summary>
    /// <exception cref="UserError">They are not installed, or are of a release that this program does not know.</exception>
    internal static void Require()
    {
        lock (Loading)
        {
            if (_isLoaded)
                return;
            bool isNew = TryLoad("libngtcp2.so.16", "libngtcp2_crypto_gnutls.so.8");
            if (!isNew && !TryLoad("libngtcp2.so.9", "libngtcp2_crypto_gnutls.so.2"))
            {
                throw new UserError(
                    "QUIC needs the libraries ngtcp2 and its GnuTLS helper, which are not installed: apt-get install libngtcp2-16 "
                    + "libngtcp2-crypto-gnutls8 (Debian 13), or libngtcp2-9 libngtcp2-crypto-gnutls2 (Debian 12).");
            }
            Bind(isNew);
            _isLoaded = true;
        }
    }

    /// <summary>The helper's own function for a callback, to be put into the table of callbacks.</summary>
    internal static nint HelperCallback(string name) => NativeLibrary.GetExport(s_helper, "ngtcp2_crypto_" + name);

    internal static int ShutdownStream(nint connection, long stream, ulong code) =>
        s_shutdown != null ? s_shutdown(connection, 0, stream, code) : s_shutdownOld(connection, stream, code);

    internal static int ShutdownStreamWrite(nint connection, long stream, ulong code) =>
        s_shutdownWrite != null ? s_shutdownWrite(connection, 0, stream, code) : s_shutdownWriteOld(connection, stream, code);

    /// <summary>Why the peer has closed the connection; its reason's bytes belong to the connection.</summary>
    internal static CloseError PeersCloseError(nint connection)
    {
        if (s_closeError != null)
            return *s_closeError(connection);
        CloseError error;
        s_closeErrorOld(connection, &error);
        return error;
    }

    internal static string Describe(int code) => Marshal.PtrToStringUTF8((nint)strerror(code)) ?? "unknown";

    private static bool TryLoad(string library, string helper)
    {
        if (!NativeLibrary.TryLoad(library, out s_library))
            return false;
        if (NativeLibrary.TryLoad(helper, out s_helper))
            return true;
        NativeLibrary.Free(s_library);
        return false;
    }

    private static void Bind(bool isNew)
    {
        (ErrWriteMore, ErrStreamDataBlocked, ErrStreamShutWr, ErrStreamNotFound) = isNew ? (-230, -208, -219, -220) : (-240, -210, -221, -222);
        (ErrClosing, ErrDraining, ErrIdleClose, ErrHandshakeTimeout) = isNew ? (-223, -224, -238, -236) : (-230, -231, -248, -246);
        (ErrCrypto, ErrDiscardPacket, ErrDropConnection) = isNew ? (-213, -226, -232) : (-215, -235, -242);
        Offsets = isNew
            ? new FieldOffsets(8, 16, 24, 80, 88, 96, 112, OriginalIdPresent: 290, ResetToken: 294, Bbr: 2)
            : new FieldOffsets(40, 48, 56, 104, 112, 120, 136, OriginalIdPresent: -1, ResetToken: 292, Bbr: 3);

        settings_default = (delegate* unmanaged<int, byte*, void>)Export("settings_default_versioned");
        transport_params_default = (delegate* unmanaged<int, byte*, void>)Export("transport_params_default_versioned");
        conn_client_new = (delegate* unmanaged<nint*, Cid*, Cid*, Path*, uint, int, nint*, int, byte*, int, byte*, nint, nint, int>)Export("conn_client_new_versioned");
        conn_server_new = (delegate* unmanaged<nint*, Cid*, Cid*, Path*, uint, int, nint*, int, byte*, int, byte*, nint, nint, int>)Export("conn_server_new_versioned");
        conn_del = (delegate* unmanaged<nint, void>)Export("conn_del");
        conn_read_pkt = (delegate* unmanaged<nint, Path*, int, uint*, byte*, nuint, ulong, int>)Export("conn_read_pkt_versioned");
        conn_writev_stream = (delegate* unmanaged<nint, Path*, int, uint*, byte*, nuint, nint*, uint, long, Libc.Iovec*, nuint, ulong, nint>)Export("conn_writev_stream_versioned");
        conn_write_connection_close = (delegate* unmanaged<nint, Path*, int, uint*, byte*, nuint, CloseError*, ulong, nint>)Export("conn_write_connection_close_versioned");
        conn_handle_expiry = (delegate* unmanaged<nint, ulong, int>)Export("conn_handle_expiry");
        conn_get_expiry = (delegate* unmanaged<nint, ulong>)Export("conn_get_expiry");
        conn_set_keep_alive_timeout = (delegate* unmanaged<nint, ulong, void>)Export("conn_set_keep_alive_timeout");
        conn_set_tls_native_handle = (delegate* unmanaged<nint, nint, void>)Export("conn_set_tls_native_handle");
        conn_get_max_tx_udp_payload_size = (delegate* unmanaged<nint, nuint>)Export("conn_get_max_tx_udp_payload_size");
        conn_get_send_quantum = (delegate* unmanaged<nint, nuint>)Export("conn_get_send_quantum");
        conn_update_pkt_tx_time = (delegate* unmanaged<nint, ulong, void>)Export("conn_update_pkt_tx_time");
        conn_get_statistics = (delegate* unmanaged<nint, int, byte*, void>)Export(isNew ? "conn_get_conn_info_versioned" : "conn_get_conn_stat_versioned");
        conn_open_bidi_stream = (delegate* unmanaged<nint, long*, nint, int>)Export("conn_open_bidi_stream");
        conn_set_stream_user_data = (delegate* unmanaged<nint, long, nint, int>)Export("conn_set_stream_user_data");
        conn_extend_max_stream_offset = (delegate* unmanaged<nint, long, ulong, int>)Export("conn_extend_max_stream_offset");
        conn_extend_max_offset = (delegate* unmanaged<nint, ulong, void>)Export("conn_extend_max_offset");
        conn_extend_max_streams_bidi = (delegate* unmanaged<nint, nuint, void>)Export("conn_extend_max_streams_bidi");
        conn_get_max_data_left = (delegate* unmanaged<nint, ulong>)Export("conn_get_max_data_left");
        conn_get_tls_alert = (delegate* unmanaged<nint, byte>)Export("conn_get_tls_alert");
        pkt_decode_version_cid = (delegate* unmanaged<byte*, byte*, nuint, nuint, int>)Export("pkt_decode_version_cid");
        accept = (delegate* unmanaged<byte*, byte*, nuint, int>)Export("accept");
        pkt_write_stateless_reset = (delegate* unmanaged<byte*, nuint, byte*, byte*, nuint, nint>)Export("pkt_write_stateless_reset");
        string prefix = isNew ? "ccerr_" : "connection_close_error_";
        close_error_default = (delegate* unmanaged<CloseError*, void>)Export(prefix + "default");
        close_error_set_application = (delegate* unmanaged<CloseError*, ulong, byte*, nuint, void>)Export(prefix + "set_application_error");
        close_error_set_liberr = (delegate* unmanaged<CloseError*, int, byte*, nuint, void>)Export(isNew ? "ccerr_set_liberr" : prefix + "set_transport_error_liberr");
        close_error_set_tls_alert = (delegate* unmanaged<CloseError*, byte, byte*, nuint, void>)Export(isNew ? "ccerr_set_tls_alert" : prefix + "set_transport_error_tls_alert");
        strerror = (delegate* unmanaged<int, byte*>)Export("strerror");
        crypto_configure_client_session = (delegate* unmanaged<nint, int>)HelperCallback("gnutls_configure_client_session");
        crypto_configure_server_session = (delegate* unmanaged<nint, int>)HelperCallback("gnutls_configure_server_session");
        crypto_generate_stateless_reset_token = (delegate* unmanaged<byte*, byte*, nuint, Cid*, int>)HelperCallback("generate_stateless_reset_token");
        if (isNew)
        {
            s_shutdown = (delegate* unmanaged<nint, uint, long, ulong, int>)Export("conn_shutdown_stream");
            s_shutdownWrite = (delegate* unmanaged<nint, uint, long, ulong, int>)Export("conn_shutdown_stream_write");
            s_closeError = (delegate* unmanaged<nint, CloseError*>)Export("conn_get_ccerr");
        }
        else
        {
            s_shutdownOld = (delegate* unmanaged<nint, long, ulong, int>)Export("conn_shutdown_stream");
            s_shutdownWriteOld = (delegate* unmanaged<nint, long, ulong, int>)Export("conn_shutdown_stream_write");
            s_closeErrorOld = (delegate* unmanaged<nint, CloseError*, void>)Export("conn_get_connection_close_error");
        }
        // ngtcp2_info: its age, the version as a number, and as text.
        var version = (delegate* unmanaged<int, byte*>)Export("version");
        Version = Marshal.PtrToStringUTF8(*(nint*)(version(0) + 8)) ?? "";
    }

    private static nint Export(string name) => NativeLibrary.GetExport(s_library, "ngtcp2_" + name);
}
