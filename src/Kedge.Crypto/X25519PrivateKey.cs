using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Kedge.Crypto;

/// <summary>
/// A private key of X25519 (RFC 7748) that is used more than once: libcrypto computes its public key once, and not for each secret. The key
/// is in libcrypto's memory alone, which wipes it on disposal. Whoever made it disposes it, and not while a call is running; until then
/// any thread may use it.
/// </summary>
public sealed unsafe class X25519PrivateKey : SafeHandleZeroOrMinusOneIsInvalid
{
    private const string Name = "X25519";

    /// <summary>Takes a key over into libcrypto's memory.</summary>
    /// <param name="privateKey">The key, 32 bytes, clamped or not.</param>
    /// <exception cref="ArgumentException">The key has another length.</exception>
    public X25519PrivateKey(ReadOnlySpan<byte> privateKey)
        : base(ownsHandle: true)
    {
        Argument.RequireLength(privateKey, X25519.KeySize);
        _ = LibcryptoAlgorithms.Loaded;
        fixed (byte* key = privateKey)
            SetHandle(LibcryptoError.ThrowIfNull(Libcrypto.EVP_PKEY_new_raw_private_key_ex(0, Name, null, key, X25519.KeySize)));
    }

    /// <summary>Writes the public key (RFC 7748, section 6.1).</summary>
    /// <param name="publicKey">Receives the public key, 32 bytes.</param>
    /// <exception cref="ArgumentException">The length is wrong.</exception>
    public void WritePublicKey(Span<byte> publicKey)
    {
        Argument.RequireLength(publicKey, X25519.KeySize);
        ObjectDisposedException.ThrowIf(IsClosed, this);
        nuint length = X25519.KeySize;
        fixed (byte* output = publicKey)
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_PKEY_get_raw_public_key(handle, output, &length));
    }

    /// <inheritdoc cref="X25519.TryAgree"/>
    public bool TryAgree(ReadOnlySpan<byte> publicKey, Span<byte> shared)
    {
        Argument.RequireLength(publicKey, X25519.KeySize);
        Argument.RequireLength(shared, X25519.KeySize);
        ObjectDisposedException.ThrowIf(IsClosed, this);
        nint peer = 0, context = 0;
        try
        {
            peer = NewPublicKey(publicKey);
            context = LibcryptoError.ThrowIfNull(Libcrypto.EVP_PKEY_CTX_new_from_pkey(0, handle, null));
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_PKEY_derive_init(context));
            // Not to be validated: every 32 bytes are a public key.
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_PKEY_derive_set_peer_ex(context, peer, validate: 0));
            nuint length = X25519.KeySize;
            fixed (byte* output = shared)
            {
                // All-zero secrets are refused by libcrypto as well, as a failure of this call.
                if (Libcrypto.EVP_PKEY_derive(context, output, &length) == 1 && !IsZero(shared))
                    return true;
            }
            shared.Clear();
            Libcrypto.ERR_clear_error();
            return false;
        }
        finally
        {
            Libcrypto.EVP_PKEY_CTX_free(context);
            Libcrypto.EVP_PKEY_free(peer);
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        Libcrypto.EVP_PKEY_free(handle);
        return true;
    }

    private static bool IsZero(ReadOnlySpan<byte> secret) => CryptographicOperations.FixedTimeEquals(secret, stackalloc byte[X25519.KeySize]);

    private static nint NewPublicKey(ReadOnlySpan<byte> publicKey)
    {
        fixed (byte* key = publicKey)
            return LibcryptoError.ThrowIfNull(Libcrypto.EVP_PKEY_new_raw_public_key_ex(0, Name, null, key, X25519.KeySize));
    }
}
