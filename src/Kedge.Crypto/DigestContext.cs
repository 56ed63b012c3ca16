using Microsoft.Win32.SafeHandles;

namespace Kedge.Crypto;

/// <summary>An <c>EVP_MD_CTX</c> for hashes without key, one a thread. Between two messages it holds nothing of either.</summary>
internal sealed unsafe class DigestContext : SafeHandleZeroOrMinusOneIsInvalid
{
    [ThreadStatic]
    private static DigestContext? _current;

    public DigestContext()
        : base(ownsHandle: true) => SetHandle(LibcryptoError.ThrowIfNull(Libcrypto.EVP_MD_CTX_new()));

    /// <summary>This thread's context.</summary>
    public static DigestContext Current => _current ??= new();

    /// <summary>Hashes the concatenation of three parts by a hash of fixed length.</summary>
    /// <param name="digest">The <c>EVP_MD</c>, one of <see cref="LibcryptoAlgorithms"/>.</param>
    /// <param name="first">The first part; each may be empty.</param>
    /// <param name="second">The second part.</param>
    /// <param name="third">The third part.</param>
    /// <param name="hash">Receives the hash and has its length; may be the memory of a part.</param>
    public void Hash(nint digest, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third, Span<byte> hash)
    {
        try
        {
            Absorb(digest, first, second, third);
            fixed (byte* output = hash)
                LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_DigestFinal_ex(handle, output, null));
        }
        finally
        {
            Reset();
        }
    }

    /// <summary>Hashes the concatenation of three parts by an extendable-output function, to as many bytes as the output has.</summary>
    /// <param name="digest">The <c>EVP_MD</c>, one of <see cref="LibcryptoAlgorithms"/>.</param>
    /// <param name="first">The first part; each may be empty.</param>
    /// <param name="second">The second part.</param>
    /// <param name="third">The third part.</param>
    /// <param name="output">Receives the output, at least 1 byte; may be the memory of a part.</param>
    public void Extend(nint digest, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third, Span<byte> output)
    {
        try
        {
            Absorb(digest, first, second, third);
            fixed (byte* bytes = output)
                LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_DigestFinalXOF(handle, bytes, (nuint)output.Length));
        }
        finally
        {
            Reset();
        }
    }

    protected override bool ReleaseHandle()
    {
        Libcrypto.EVP_MD_CTX_free(handle);
        return true;
    }

    private void Absorb(nint digest, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third)
    {
        LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_DigestInit_ex2(handle, digest, null));
        Update(first);
        Update(second);
        Update(third);
    }

    private void Update(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
            return;
        fixed (byte* input = data)
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_DigestUpdate(handle, input, (nuint)data.Length));
    }

    // What was hashed may be a key; the reset frees and wipes the state.
    private void Reset() => LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_MD_CTX_reset(handle));
}
