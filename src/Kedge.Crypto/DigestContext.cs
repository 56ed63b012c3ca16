using Microsoft.Win32.SafeHandles;

namespace Kedge.Crypto;

/// <summary>An <c>EVP_MD_CTX</c> for BLAKE2s without key, one a thread. Between two messages it holds nothing of either.</summary>
internal sealed unsafe class DigestContext : SafeHandleZeroOrMinusOneIsInvalid
{
    [ThreadStatic]
    private static DigestContext? _current;

    private readonly nint _digest = LibcryptoAlgorithms.Loaded.Blake2s256;

    public DigestContext()
        : base(ownsHandle: true) => SetHandle(LibcryptoError.ThrowIfNull(Libcrypto.EVP_MD_CTX_new()));

    /// <summary>This thread's context.</summary>
    public static DigestContext Current => _current ??= new();

    /// <summary>Hashes the concatenation of three parts; <paramref name="hash"/> has 32 bytes and may be the memory of a part.</summary>
    public void Hash(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third, Span<byte> hash)
    {
        try
        {
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_DigestInit_ex2(handle, _digest, null));
            Update(first);
            Update(second);
            Update(third);
            fixed (byte* output = hash)
                LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_DigestFinal_ex(handle, output, null));
        }
        finally
        {
            // What was hashed may be a key; the reset frees and wipes the state.
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_MD_CTX_reset(handle));
        }
    }

    protected override bool ReleaseHandle()
    {
        Libcrypto.EVP_MD_CTX_free(handle);
        return true;
    }

    private void Update(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
            return;
        fixed (byte* input = data)
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_DigestUpdate(handle, input, (nuint)data.Length));
    }
}
