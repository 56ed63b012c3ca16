using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Quic;

/// <summary>
/// The certificate and key that an end shows. Immutable: to show others from now on, make new ones; connections keep those that they were
/// made with, and whoever made this disposes it when none uses it any more. Any thread.
/// </summary>
public sealed unsafe class QuicCredentials : IDisposable
{
    // GnuTLS's ChaCha20-Poly1305 is ten times slower than its AES where the CPU has AES.
    private const string WithAes = "+AES-128-GCM:+AES-256-GCM";
    private const string WithoutAes = "+CHACHA20-POLY1305:+AES-128-GCM:+AES-256-GCM";

    private nint _credentials;
    private readonly nint _priority;

    /// <summary>Reads a certificate with those that certify it, and its key.</summary>
    /// <param name="certificates">PEM; the end's own first. Empty for an end that shows none.</param>
    /// <param name="key">PEM, unencrypted; stays the caller's to zero. Empty for an end that shows no certificate.</param>
    /// <exception cref="QuicException">They are not both PEM, or do not belong together.</exception>
    /// <exception cref="Protocol.UserError">The libraries are not installed.</exception>
    public QuicCredentials(ReadOnlySpan<byte> certificates, ReadOnlySpan<byte> key)
    {
        Ngtcp2.Require();
        nint credentials, priority;
        Check(Gnutls.gnutls_certificate_allocate_credentials(&credentials), "make credentials");
        _credentials = credentials;
        try
        {
            fixed (byte* certificateStart = certificates, keyStart = key)
            {
                var certificateText = new Gnutls.Datum { Data = certificateStart, Size = (uint)certificates.Length };
                var keyText = new Gnutls.Datum { Data = keyStart, Size = (uint)key.Length };
                if (!certificates.IsEmpty)
                {
                    Check(
                        Gnutls.gnutls_certificate_set_x509_key_mem2(credentials, &certificateText, &keyText, Gnutls.GNUTLS_X509_FMT_PEM, 0, 0),
                        "use the certificate and its key");
                }
            }
            Gnutls.gnutls_certificate_set_verify_function(credentials, QuicConnection.VerifyFunction);
            bool hasAes = System.Runtime.Intrinsics.X86.Aes.IsSupported || System.Runtime.Intrinsics.Arm.Aes.IsSupported;
            Check(
                Gnutls.gnutls_priority_init(
                    &priority,
                    $"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:{(hasAes ? WithAes : WithoutAes)}:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"
                    + "+GROUP-SECP384R1:%DISABLE_TLS13_COMPAT_MODE:%SERVER_PRECEDENCE",
                    0),
                "choose ciphers");
            _priority = priority;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The priority is small and may be referred to by sessions that are being closed: GnuTLS keeps a pointer to it. It stays.
        if (_credentials != 0)
            Gnutls.gnutls_certificate_free_credentials(_credentials);
        _credentials = 0;
    }

    /// <summary>A TLS session that shows this certificate and demands one of the other end; freed by its owner.</summary>
    internal nint CreateSession(bool isServer)
    {
        nint session;
        Check(Gnutls.gnutls_init(&session, isServer ? Gnutls.GNUTLS_SERVER : Gnutls.GNUTLS_CLIENT), "make a session");
        Check(Gnutls.gnutls_priority_set(session, _priority), "choose ciphers");
        Check(Gnutls.gnutls_credentials_set(session, Gnutls.GNUTLS_CRD_CERTIFICATE, _credentials), "show the certificate");
        if (isServer)
        {
            Gnutls.gnutls_certificate_server_set_request(session, Gnutls.GNUTLS_CERT_REQUIRE);
            Check(Ngtcp2.crypto_configure_server_session(session), "prepare a session");
        }
        else
        {
            Check(Ngtcp2.crypto_configure_client_session(session), "prepare a session");
        }
        return session;
    }

    internal static void Check(int result, string operation)
    {
        if (result < 0)
            throw new QuicException($"{operation}: {Marshal.PtrToStringUTF8((nint)Gnutls.gnutls_strerror(result))}");
    }
}

/// <summary>The QUIC or TLS library has refused something.</summary>
/// <param name="message">What, and why.</param>
public sealed class QuicException(string message) : Exception(message);
