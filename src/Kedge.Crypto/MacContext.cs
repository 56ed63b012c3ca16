using Microsoft.Win32.SafeHandles;

namespace Kedge.Crypto;

/// <summary>An <c>EVP_MAC_CTX</c> for keyed BLAKE2s or BLAKE2b, one a thread. Between two messages it holds no key but zeros.</summary>
internal sealed unsafe class MacContext : SafeHandleZeroOrMinusOneIsInvalid
{
    [ThreadStatic]
    private static MacContext? _blake2s;

    [ThreadStatic]
    private static MacContext? _blake2b;

    private readonly byte[] _noKey;

    private MacContext(nint algorithm, int maximumSize)
        : base(ownsHandle: true)
    {
        _noKey = new byte[maximumSize];
        SetHandle(LibcryptoError.ThrowIfNull(Libcrypto.EVP_MAC_CTX_new(algorithm)));
    }

    /// <summary>This thread's context for BLAKE2s, whose keys and MACs have 1 to 32 bytes.</summary>
    public static MacContext Blake2s => _blake2s ??= new(LibcryptoAlgorithms.Loaded.Blake2sMac, Crypto.Blake2s.MaximumSize);

    /// <summary>This thread's context for BLAKE2b, whose keys and MACs have 1 to 64 bytes.</summary>
    public static MacContext Blake2b => _blake2b ??= new(LibcryptoAlgorithms.Loaded.Blake2bMac, Crypto.Blake2b.MaximumSize);

    /// <summary>Computes the MAC of the data, as long as <paramref name="mac"/> is.</summary>
    public void Compute(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> mac)
    {
        try
        {
            Start(key, mac.Length);
            if (!data.IsEmpty)
            {
                fixed (byte* input = data)
                    LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_MAC_update(handle, input, (nuint)data.Length));
            }
            nuint length;
            fixed (byte* output = mac)
                LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_MAC_final(handle, output, &length, (nuint)mac.Length));
        }
        finally
        {
            // A MAC context has no reset: another key of full length takes the place of this one and of the state made from it.
            Start(_noKey, mac.Length);
        }
    }

    protected override bool ReleaseHandle()
    {
        Libcrypto.EVP_MAC_CTX_free(handle);
        return true;
    }

    private void Start(ReadOnlySpan<byte> key, int macLength)
    {
        // The MAC's length is a parameter of the algorithm (RFC 7693, section 2.5), not a truncation.
        nuint size = (nuint)macLength;
        fixed (byte* k = key, name = "size"u8)
        {
            Libcrypto.Parameter* parameters = stackalloc Libcrypto.Parameter[2];
            parameters[0] = new()
            {
                Key = name, DataType = Libcrypto.ParameterUnsignedInteger, Data = &size, DataSize = (nuint)sizeof(nuint),
            };
            parameters[1] = default;
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_MAC_init(handle, k, (nuint)key.Length, parameters));
        }
    }
}
