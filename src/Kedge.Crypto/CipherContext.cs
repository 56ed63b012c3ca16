using Microsoft.Win32.SafeHandles;

namespace Kedge.Crypto;

/// <summary>
/// An <c>EVP_CIPHER_CTX</c> for ChaCha20-Poly1305 (RFC 8439): keyed once, then good for any number of messages in both directions. One
/// thread at a time. Freeing it, like <see cref="Clear"/>, wipes the key in it; its owner keeps it reachable while a call is running.
/// </summary>
internal sealed unsafe class CipherContext : SafeHandleZeroOrMinusOneIsInvalid
{
    private const int Opening = 0, Sealing = 1;

    public CipherContext()
        : base(ownsHandle: true) => SetHandle(LibcryptoError.ThrowIfNull(Libcrypto.EVP_CIPHER_CTX_new()));

    /// <summary>Sets the key, 32 bytes.</summary>
    public void SetKey(ReadOnlySpan<byte> key)
    {
        nint cipher = LibcryptoAlgorithms.Loaded.ChaCha20Poly1305;
        fixed (byte* k = key)
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_CipherInit_ex2(handle, cipher, k, null, Sealing, null));
    }

    /// <summary>Forgets the key; another may be set.</summary>
    public void Clear() => LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_CIPHER_CTX_reset(handle));

    /// <summary>
    /// Writes the ciphertext and the 16-byte tag to <paramref name="destination"/>, which has their length exactly and may begin where
    /// the plaintext does.
    /// </summary>
    public void Seal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> destination)
    {
        fixed (byte* n = nonce, ad = associatedData, source = plaintext, target = destination)
        {
            Process(Sealing, n, ad, associatedData.Length, source, target, plaintext.Length);
            byte* tag = target + plaintext.Length;
            int none;
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_CipherFinal_ex(handle, tag, &none));
            LibcryptoError.ThrowUnlessOne(
                Libcrypto.EVP_CIPHER_CTX_ctrl(handle, Libcrypto.AeadGetTag, ChaCha20Poly1305.TagSize, tag));
        }
    }

    /// <summary>
    /// Writes the plaintext to <paramref name="plaintext"/>, which has its length exactly and may begin where the ciphertext does.
    /// </summary>
    /// <returns>Whether the tag was right; where not, <paramref name="plaintext"/> is zero.</returns>
    public bool Open(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertextAndTag, Span<byte> plaintext)
    {
        int result;
        fixed (byte* n = nonce, ad = associatedData, source = ciphertextAndTag, target = plaintext)
        {
            // The tag goes in first: libcrypto copies it, computes its own while it decrypts, and compares in constant time at the end.
            byte* tag = source + plaintext.Length;
            int none;
            byte nothing;
            Process(Opening, n, ad, associatedData.Length, source, target, plaintext.Length, tag);
            result = Libcrypto.EVP_CipherFinal_ex(handle, &nothing, &none);
        }
        if (result == 1)
            return true;
        plaintext.Clear();
        Libcrypto.ERR_clear_error();
        return false;
    }

    protected override bool ReleaseHandle()
    {
        Libcrypto.EVP_CIPHER_CTX_free(handle);
        return true;
    }

    // Everything of a message but its end. Empty parts are not passed on: their pointers are null, which can mean other things.
    private void Process(
        int direction, byte* nonce, byte* associatedData, int associatedLength, byte* source, byte* target, int length, byte* tag = null)
    {
        int written;
        LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_CipherInit_ex2(handle, 0, null, nonce, direction, null));
        if (tag != null)
        {
            LibcryptoError.ThrowUnlessOne(
                Libcrypto.EVP_CIPHER_CTX_ctrl(handle, Libcrypto.AeadSetTag, ChaCha20Poly1305.TagSize, tag));
        }
        if (associatedLength != 0)
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_CipherUpdate(handle, null, &written, associatedData, associatedLength));
        if (length != 0)
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_CipherUpdate(handle, target, &written, source, length));
    }
}
