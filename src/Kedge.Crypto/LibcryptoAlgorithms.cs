using System.Runtime.InteropServices;

namespace Kedge.Crypto;

/// <summary>
/// The loaded libcrypto and the algorithms fetched from it: once a process, never freed. Immutable, for any thread.
/// </summary>
internal sealed unsafe class LibcryptoAlgorithms
{
    // Lazy hands the exception itself to every caller, where a static constructor would bury it in a TypeInitializationException.
    private static readonly Lazy<LibcryptoAlgorithms> LoadedOnce = new(() => Load(Libcrypto.FileName));

    private LibcryptoAlgorithms()
    {
        Version = Marshal.PtrToStringUTF8((nint)Libcrypto.OpenSSL_version(Libcrypto.VersionText))!;
        ChaCha20Poly1305 = Require(Libcrypto.EVP_CIPHER_fetch(0, "ChaCha20-Poly1305", null), "ChaCha20-Poly1305");
        Blake2s256 = Require(Libcrypto.EVP_MD_fetch(0, "BLAKE2S-256", null), "BLAKE2S-256");
        Blake2sMac = Require(Libcrypto.EVP_MAC_fetch(0, "BLAKE2SMAC", null), "BLAKE2SMAC");
        Blake2bMac = Require(Libcrypto.EVP_MAC_fetch(0, "BLAKE2BMAC", null), "BLAKE2BMAC");
        Sha3Of256 = Require(Libcrypto.EVP_MD_fetch(0, "SHA3-256", null), "SHA3-256");
        Sha3Of512 = Require(Libcrypto.EVP_MD_fetch(0, "SHA3-512", null), "SHA3-512");
        Shake128 = Require(Libcrypto.EVP_MD_fetch(0, "SHAKE128", null), "SHAKE128");
        Shake256 = Require(Libcrypto.EVP_MD_fetch(0, "SHAKE256", null), "SHAKE256");
    }

    /// <summary>The algorithms of this process's libcrypto; the first call loads it.</summary>
    /// <exception cref="PlatformNotSupportedException">It is missing, or lacks an algorithm; the message says what to install.</exception>
    public static LibcryptoAlgorithms Loaded => LoadedOnce.Value;

    /// <summary>The library's own name and version, such as <c>OpenSSL 3.0.19 27 Jan 2026</c>.</summary>
    public string Version { get; }

    /// <summary>An <c>EVP_CIPHER</c>.</summary>
    public nint ChaCha20Poly1305 { get; }

    /// <summary>An <c>EVP_MD</c>: BLAKE2s without key, 32 bytes.</summary>
    public nint Blake2s256 { get; }

    /// <summary>An <c>EVP_MAC</c>: BLAKE2s with a key, 1 to 32 bytes.</summary>
    public nint Blake2sMac { get; }

    /// <summary>An <c>EVP_MAC</c>: BLAKE2b with a key, 1 to 64 bytes.</summary>
    public nint Blake2bMac { get; }

    /// <summary>An <c>EVP_MD</c>: SHA3-256.</summary>
    public nint Sha3Of256 { get; }

    /// <summary>An <c>EVP_MD</c>: SHA3-512.</summary>
    public nint Sha3Of512 { get; }

    /// <summary>An <c>EVP_MD</c>: SHAKE128, whose output has any length.</summary>
    public nint Shake128 { get; }

    /// <summary>An <c>EVP_MD</c>: SHAKE256, whose output has any length.</summary>
    public nint Shake256 { get; }

    /// <summary>Loads the library of the given file name and fetches the algorithms.</summary>
    /// <inheritdoc cref="Loaded" path="/exception"/>
    internal static LibcryptoAlgorithms Load(string fileName)
    {
        // The same search as the imports': the second load finds what the first one has found.
        if (!NativeLibrary.TryLoad(fileName, typeof(Libcrypto).Assembly, DllImportSearchPath.SafeDirectories, out _))
        {
            throw new PlatformNotSupportedException(
                $"{fileName} was not found. Kedge needs OpenSSL 3.0 or later: install the package libssl3t64 (Debian 13, Ubuntu 24.04) " +
                "or libssl3 (Debian 12, Ubuntu 22.04).");
        }
        return new();
    }

    private nint Require(nint algorithm, string name) => algorithm != 0 ? algorithm : throw new PlatformNotSupportedException(
        $"{Libcrypto.FileName} is {Version} and does not offer {name} ({LibcryptoError.TakeText()}). Kedge needs OpenSSL 3.0 or later " +
        "with its default provider, as in Debian's packages libssl3 and libssl3t64, and not restricted to FIPS algorithms by openssl.cnf.");
}
