using Microsoft.Win32.SafeHandles;

namespace Kedge.Crypto;

/// <summary>An <c>EVP_MAC_CTX</c> for keyed BLAKE2s, one a thread. Between two messages it holds no key but zeros.</summary>
internal sealed unsafe class MacContext : SafeHandleZeroOrMinusOneIsInvalid
{
    private static readonly byte[] NoKey = new byte[32];

    [ThreadStatic]
    private static MacContext? _current;

    public MacContext()
        : base(ownsHandle: true) =>
        SetHandle(LibcryptoError.ThrowIfNull(Libcrypto.EVP_MAC_CTX_new(LibcryptoAlgorithms.Loaded.Blake2sMac)));

    /// <summary>This thread's context.</summary>
    public static MacContext Current => _current ??= new();

    /// <summary>Computes the MAC of the data, as long as <paramref name="mac"/> is; key and MAC have 1 to 32 bytes.</summary>
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
            Start(NoKey, mac.Length);
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
