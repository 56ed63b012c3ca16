using System.Runtime.InteropServices;

// The system's library, never one that lies beside the program.
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]

namespace Kedge.Crypto;

/// <summary>
/// The functions of OpenSSL's libcrypto that Kedge calls, by their C names and with their C types: the only native calls of this assembly.
/// Their manual pages are section 3ossl. Call them only after <see cref="LibcryptoAlgorithms.Loaded"/>, which checks that the library is
/// there; a result that must be 1 or not null goes through <see cref="LibcryptoError"/>.
/// </summary>
internal static unsafe partial class Libcrypto
{
    /// <summary>The library's file name: the ABI of OpenSSL 3, all of whose releases are compatible with 3.0.</summary>
    public const string FileName = "libcrypto.so.3";

    /// <summary><c>EVP_CTRL_AEAD_GET_TAG</c></summary>
    public const int AeadGetTag = 0x10;

    /// <summary><c>EVP_CTRL_AEAD_SET_TAG</c></summary>
    public const int AeadSetTag = 0x11;

    /// <summary><c>OSSL_PARAM_UNSIGNED_INTEGER</c></summary>
    public const uint ParameterUnsignedInteger = 2;

    /// <summary><c>OPENSSL_VERSION</c>, the selector of the version's full text.</summary>
    public const int VersionText = 0;

    /// <summary><c>OSSL_PARAM</c>: one named argument; a list of them ends on one without a name.</summary>
    public struct Parameter
    {
        public byte* Key;
        public uint DataType;
        public void* Data;
        public nuint DataSize;
        public nuint ReturnSize;
    }

    [LibraryImport(FileName)]
    public static partial byte* OpenSSL_version(int type);

    [LibraryImport(FileName)]
    public static partial ulong ERR_peek_last_error();

    [LibraryImport(FileName)]
    public static partial void ERR_error_string_n(ulong error, byte* text, nuint length);

    [LibraryImport(FileName)]
    public static partial void ERR_clear_error();

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint EVP_CIPHER_fetch(nint libraryContext, string algorithm, string? properties);

    [LibraryImport(FileName)]
    public static partial nint EVP_CIPHER_CTX_new();

    [LibraryImport(FileName)]
    public static partial void EVP_CIPHER_CTX_free(nint context);

    [LibraryImport(FileName)]
    public static partial int EVP_CIPHER_CTX_reset(nint context);

    [LibraryImport(FileName)]
    public static partial int EVP_CIPHER_CTX_ctrl(nint context, int command, int argument, void* data);

    [LibraryImport(FileName)]
    public static partial int EVP_CipherInit_ex2(nint context, nint cipher, byte* key, byte* nonce, int encrypt, Parameter* parameters);

    [LibraryImport(FileName)]
    public static partial int EVP_CipherUpdate(nint context, byte* output, int* outputLength, byte* input, int inputLength);

    [LibraryImport(FileName)]
    public static partial int EVP_CipherFinal_ex(nint context, byte* output, int* outputLength);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint EVP_MD_fetch(nint libraryContext, string algorithm, string? properties);

    [LibraryImport(FileName)]
    public static partial nint EVP_MD_CTX_new();

    [LibraryImport(FileName)]
    public static partial void EVP_MD_CTX_free(nint context);

    [LibraryImport(FileName)]
    public static partial int EVP_MD_CTX_reset(nint context);

    [LibraryImport(FileName)]
    public static partial int EVP_DigestInit_ex2(nint context, nint digest, Parameter* parameters);

    [LibraryImport(FileName)]
    public static partial int EVP_DigestUpdate(nint context, byte* data, nuint length);

    [LibraryImport(FileName)]
    public static partial int EVP_DigestFinal_ex(nint context, byte* digest, uint* digestLength);

    [LibraryImport(FileName)]
    public static partial int EVP_DigestFinalXOF(nint context, byte* output, nuint length);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint EVP_MAC_fetch(nint libraryContext, string algorithm, string? properties);

    [LibraryImport(FileName)]
    public static partial nint EVP_MAC_CTX_new(nint mac);

    [LibraryImport(FileName)]
    public static partial void EVP_MAC_CTX_free(nint context);

    [LibraryImport(FileName)]
    public static partial int EVP_MAC_init(nint context, byte* key, nuint keyLength, Parameter* parameters);

    [LibraryImport(FileName)]
    public static partial int EVP_MAC_update(nint context, byte* data, nuint length);

    [LibraryImport(FileName)]
    public static partial int EVP_MAC_final(nint context, byte* output, nuint* outputLength, nuint outputSize);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint EVP_PKEY_new_raw_private_key_ex(
        nint libraryContext, string keyType, string? properties, byte* key, nuint length);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint EVP_PKEY_new_raw_public_key_ex(
        nint libraryContext, string keyType, string? properties, byte* key, nuint length);

    [LibraryImport(FileName)]
    public static partial int EVP_PKEY_get_raw_public_key(nint key, byte* output, nuint* outputLength);

    [LibraryImport(FileName)]
    public static partial void EVP_PKEY_free(nint key);

    [LibraryImport(FileName, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint EVP_PKEY_CTX_new_from_pkey(nint libraryContext, nint key, string? properties);

    [LibraryImport(FileName)]
    public static partial void EVP_PKEY_CTX_free(nint context);

    [LibraryImport(FileName)]
    public static partial int EVP_PKEY_derive_init(nint context);

    [LibraryImport(FileName)]
    public static partial int EVP_PKEY_derive_set_peer_ex(nint context, nint peer, int validate);

    [LibraryImport(FileName)]
    public static partial int EVP_PKEY_derive(nint context, byte* output, nuint* outputLength);
}
