namespace Kedge.Crypto;

/// <summary>Which libcrypto this process uses.</summary>
public static class LibcryptoVersion
{
    /// <summary>The library's own name and version, such as <c>OpenSSL 3.0.19 27 Jan 2026</c>.</summary>
    /// <exception cref="PlatformNotSupportedException">It is missing, or lacks an algorithm; the message says what to install.</exception>
    public static string Text => LibcryptoAlgorithms.Loaded.Version;
}
