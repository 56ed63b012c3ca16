using Kedge.Crypto;
using CryptographicException = System.Security.Cryptography.CryptographicException;

namespace Kedge.Tests.Crypto;

public class LibcryptoTests
{
    /// <summary>
    /// The environment variable KEDGE_OPENSSL names the version that a test machine was made to have, such as 3.5; without it any
    /// version of OpenSSL 3 will do.
    /// </summary>
    [Fact]
    public void The_loaded_library_is_the_expected_version_of_openssl()
    {
        string version = Environment.GetEnvironmentVariable("KEDGE_OPENSSL") is { Length: > 0 } expected ? expected : "3";
        Assert.StartsWith($"OpenSSL {version}.", LibcryptoAlgorithms.Loaded.Version, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_the_library_is_missing_the_message_says_what_to_install()
    {
        var missing = Assert.Throws<PlatformNotSupportedException>(() => LibcryptoAlgorithms.Load("libcrypto-that-is-nowhere.so.3"));
        Assert.Contains("libcrypto-that-is-nowhere.so.3", missing.Message, StringComparison.Ordinal);
        Assert.Contains("libssl3t64", missing.Message, StringComparison.Ordinal);
        Assert.Contains("libssl3 ", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_context_for_single_messages_keeps_no_key_and_its_refusal_names_the_call()
    {
        byte[] key = new byte[ChaCha20Poly1305.KeySize], nonce = new byte[ChaCha20Poly1305.NonceSize];
        byte[] message = new byte[ChaCha20Poly1305.TagSize];
        ChaCha20Poly1305.Seal(key, 0, [], [], message);
        AssertWithoutKey();
        Assert.True(ChaCha20Poly1305.TryOpen(key, 0, [], message, []));
        AssertWithoutKey();
        Assert.False(ChaCha20Poly1305.TryOpen(key, 1, [], message, []));
        AssertWithoutKey();

        void AssertWithoutKey()
        {
            var refused = Assert.Throws<CryptographicException>(() => LibcryptoAead.Single.Seal(nonce, [], [], message));
            Assert.StartsWith("libcrypto.so.3: EVP_CipherInit_ex2 failed: error:", refused.Message, StringComparison.Ordinal);
        }
    }
}
