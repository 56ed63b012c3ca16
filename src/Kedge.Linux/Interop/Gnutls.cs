using System.Runtime.InteropServices;

namespace Kedge.Linux.Interop;

/// <summary>GnuTLS as its reference manual declares it. It comes with the helper of <see cref="Ngtcp2"/>, so it is there when that is.</summary>
internal static unsafe partial class Gnutls
{
    internal const string Library = "libgnutls.so.30";
    internal const uint GNUTLS_SERVER = 1;
    internal const uint GNUTLS_CLIENT = 1 << 1;
    internal const int GNUTLS_X509_FMT_PEM = 1;
    internal const int GNUTLS_CRD_CERTIFICATE = 1;
    internal const int GNUTLS_CERT_REQUIRE = 2;
    internal const int GNUTLS_NAME_DNS = 1;
    internal const uint GNUTLS_ALPN_MANDATORY = 1;
    internal const uint GNUTLS_ALPN_SERVER_PRECEDENCE = 2;

    /// <summary><c>gnutls_datum_t</c>.</summary>
    internal struct Datum
    {
        public byte* Data;
        public uint Size;
    }

    [LibraryImport(Library)]
    internal static partial int gnutls_init(nint* session, uint flags);

    [LibraryImport(Library)]
    internal static partial void gnutls_deinit(nint session);

    [LibraryImport(Library)]
    internal static partial byte* gnutls_strerror(int error);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int gnutls_priority_init(nint* priority, string text, nint position);

    [LibraryImport(Library)]
    internal static partial int gnutls_priority_set(nint session, nint priority);

    [LibraryImport(Library)]
    internal static partial int gnutls_credentials_set(nint session, int type, nint credentials);

    [LibraryImport(Library)]
    internal static partial int gnutls_certificate_allocate_credentials(nint* credentials);

    [LibraryImport(Library)]
    internal static partial void gnutls_certificate_free_credentials(nint credentials);

    [LibraryImport(Library)]
    internal static partial int gnutls_certificate_set_x509_key_mem2(nint credentials, Datum* certificate, Datum* key, int format, nint password, uint flags);

    [LibraryImport(Library)]
    internal static partial void gnutls_certificate_set_verify_function(nint credentials, nint function);

    [LibraryImport(Library)]
    internal static partial void gnutls_certificate_server_set_request(nint session, int request);

    [LibraryImport(Library)]
    internal static partial Datum* gnutls_certificate_get_peers(nint session, uint* count);

    [LibraryImport(Library)]
    internal static partial int gnutls_server_name_set(nint session, int type, byte* name, nuint length);

    [LibraryImport(Library)]
    internal static partial int gnutls_alpn_set_protocols(nint session, Datum* protocols, uint count, uint flags);

    [LibraryImport(Library)]
    internal static partial int gnutls_alpn_get_selected_protocol(nint session, Datum* protocol);

    [LibraryImport(Library)]
    internal static partial void gnutls_session_set_ptr(nint session, nint pointer);

    [LibraryImport(Library)]
    internal static partial nint gnutls_session_get_ptr(nint session);
}
