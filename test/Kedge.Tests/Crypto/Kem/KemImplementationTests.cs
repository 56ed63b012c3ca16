using System.Security.Cryptography;
using Kedge.Crypto.Kem;
using Kedge.Crypto.Kem.McEliece;

namespace Kedge.Tests.Crypto.Kem;

public sealed class KemImplementationTests
{
    public static IEnumerable<TheoryDataRow<string>> Mechanisms() =>
        KemImplementation.All.Select(one => one.Mechanism).Distinct().Select(mechanism => new TheoryDataRow<string>(mechanism));

    [Theory]
    [MemberData(nameof(Mechanisms))]
    public void The_native_one_is_chosen_where_there_is_one_and_passes_its_self_test(string mechanism)
    {
        KemImplementation preferred = KemImplementation.All.First(one => one.Mechanism == mechanism && one.IsSupported);
        (KemImplementation chosen, string reason) = KemImplementation.Choose(mechanism, null);
        Assert.Equal(preferred, chosen);
        Assert.NotEmpty(reason);
        Assert.Equal(preferred, KemImplementation.Choose(mechanism, "").Implementation);
    }

    [Theory]
    [MemberData(nameof(Mechanisms))]
    public void What_is_asked_for_is_chosen_or_refused_where_there_is_none(string mechanism)
    {
        Assert.Equal(("managed", "KEDGE_KEM asks for it"), Choose("managed"));
        KemImplementation native = KemImplementation.All.First(one => one.Mechanism == mechanism);
        if (native.IsSupported)
        {
            Assert.Equal((native.Name, "KEDGE_KEM asks for it"), Choose("native"));
        }
        else
        {
            var refused = Assert.Throws<PlatformNotSupportedException>(() => Choose("native"));
            Assert.Contains($"there is no native {mechanism}, because {native.Lack};", refused.Message, StringComparison.Ordinal);
        }

        (string, string) Choose(string asked)
        {
            (KemImplementation implementation, string reason) = KemImplementation.Choose(mechanism, asked);
            return (implementation.Name, reason);
        }
    }

    [Fact]
    public void An_unknown_word_is_refused_with_those_that_there_are()
    {
        var refused = Assert.Throws<PlatformNotSupportedException>(() => KemImplementation.Choose("kyber512", "Managed"));
        Assert.StartsWith("KEDGE_KEM is 'Managed', which is unknown; set it to managed or", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_named_library_that_is_none_is_refused()
    {
        var refused = Assert.Throws<PlatformNotSupportedException>(() => Libmceliece.Load("/nonexistent/libmceliece.so.1"));
        Assert.StartsWith("KEDGE_LIBMCELIECE is '/nonexistent/libmceliece.so.1'", refused.Message, StringComparison.Ordinal);
        Assert.Throws<PlatformNotSupportedException>(() => Libmceliece.Load("libcrypto.so.3"));
    }

    [Theory]
    [InlineData("encapsulation")]
    [InlineData("decapsulation")]
    [InlineData("the rejection of a bad ciphertext")]
    public void An_implementation_that_computes_something_wrong_fails_the_self_test(string wrong)
    {
        KemImplementation managed = KemImplementation.All.Single(one => one is { Mechanism: "mlkem512", Name: "managed" });
        var faulty = new KemImplementation("mlkem512", "faulty", "", () => true, () => new FaultyKem(managed.Create(), wrong));
        var failed = Assert.Throws<CryptographicException>(() => KemSelfTest.Run(faulty, managed));
        Assert.StartsWith($"The self-test of mlkem512 by faulty failed: {wrong}.", failed.Message, StringComparison.Ordinal);
        Assert.Contains("KEDGE_KEM=managed", failed.Message, StringComparison.Ordinal);
    }

    private sealed class FaultyKem(IKem right, string wrong) : IKem
    {
        private readonly byte[] _last = new byte[32];

        public string Name => right.Name;

        public int PublicKeySize => right.PublicKeySize;

        public int SecretKeySize => right.SecretKeySize;

        public int CiphertextSize => right.CiphertextSize;

        public int SharedSecretSize => right.SharedSecretSize;

        public void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey) => right.GenerateKeyPair(publicKey, secretKey);

        public void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret)
        {
            right.Encapsulate(publicKey, ciphertext, sharedSecret);
            if (wrong == "encapsulation")
                sharedSecret[^1] ^= 1;
        }

        public void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
        {
            right.Decapsulate(secretKey, ciphertext, sharedSecret);
            if (wrong == "decapsulation")
                sharedSecret[^1] ^= 1;
            if (wrong == "the rejection of a bad ciphertext" && _last.Any(b => b != 0))
                _last.CopyTo(sharedSecret);
            sharedSecret.CopyTo(_last);
        }
    }
}
