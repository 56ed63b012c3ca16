using System.Diagnostics;
using Kedge.Crypto;
using CryptographicException = System.Security.Cryptography.CryptographicException;

namespace Kedge.Tests.Crypto;

public class AeadImplementationTests(ITestOutputHelper output)
{
    // Names what a run of this program is to find chosen; see the test that starts one.
    private const string ExpectedVariable = "KEDGE_TESTS_EXPECTED_AEAD";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void The_fastest_that_the_cpu_has_is_chosen_unless_the_environment_names_another()
    {
        AeadImplementation fastest = AeadImplementation.All.First(implementation => implementation.IsSupported);
        string? expected = Environment.GetEnvironmentVariable(ExpectedVariable);
        string? asked = Environment.GetEnvironmentVariable(AeadImplementation.Variable);
        Assert.Equal(expected ?? asked ?? fastest.Name, ChaCha20Poly1305.Implementation);
        Assert.NotEmpty(ChaCha20Poly1305.ImplementationReason);
        Assert.Equal(fastest, AeadImplementation.Choose(null).Implementation);
        Assert.Equal(fastest, AeadImplementation.Choose("").Implementation);
    }

    [Theory]
    [MemberData(nameof(Implementations.Supported), MemberType = typeof(Implementations))]
    public void What_is_asked_for_is_chosen_and_passes_its_self_test(string name)
    {
        (AeadImplementation chosen, string reason) = AeadImplementation.Choose(name);
        Assert.Equal(name, chosen.Name);
        Assert.Equal("KEDGE_AEAD asks for it", reason);
    }

    [Fact]
    public void An_unknown_name_is_refused_with_those_that_there_are()
    {
        var refused = Assert.Throws<PlatformNotSupportedException>(() => AeadImplementation.Choose("AVX512"));
        Assert.StartsWith("KEDGE_AEAD is 'AVX512', which is unknown; set it to ", refused.Message, StringComparison.Ordinal);
        Assert.Contains("libcrypto", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("the keystream")]
    [InlineData("the tag")]
    [InlineData("the verdict")]
    public void An_implementation_that_computes_something_wrong_fails_the_self_test(string wrong)
    {
        var faulty = new AeadImplementation("faulty", IsSupported: true, key => new FaultyAead(new LibcryptoAead(key), wrong));
        var failed = Assert.Throws<CryptographicException>(() => AeadSelfTest.Run(faulty));
        Assert.StartsWith("The self-test of faulty failed", failed.Message, StringComparison.Ordinal);
        Assert.Contains("KEDGE_AEAD=libcrypto", failed.Message, StringComparison.Ordinal);
    }

    /// <summary>
    /// Starts this program again, with part of the CPU hidden from the runtime, and has it run the tests of what is left: the code for a
    /// CPU that lacks AVX-512 is other code than this CPU would run, also where it was written for AVX2.
    /// </summary>
    [Theory]
    [InlineData("EnableAVX512", "avx2")]
    [InlineData("EnableAVX2", "libcrypto")]
    public async Task Without_the_vectors_the_next_implementation_is_chosen_and_right(string hidden, string expected)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            ArgumentList =
            {
                "-noLogo", "-noColor", "-class", typeof(AeadDifferentialTests).FullName!, "-class", GetType().FullName!,
                "-method-", $"*.{nameof(Without_the_vectors_the_next_implementation_is_chosen_and_right)}",
            },
            Environment =
            {
                ["DOTNET_" + hidden] = "0",
                [ExpectedVariable] = AeadImplementation.Avx2.IsSupported ? expected : AeadImplementation.Libcrypto.Name,
                [AeadImplementation.Variable] = null,
            },
            RedirectStandardOutput = true,
        };
        using Process child = Process.Start(start)!;
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            string report = await child.StandardOutput.ReadToEndAsync(patience.Token);
            await child.WaitForExitAsync(patience.Token);
            output.WriteLine(report);
            Assert.Equal(0, child.ExitCode);
            Assert.Contains("Failed: 0", report, StringComparison.Ordinal);
            Assert.DoesNotContain("Total: 0", report, StringComparison.Ordinal);
        }
        finally
        {
            if (!child.HasExited)
                child.Kill();
        }
    }

    private sealed class FaultyAead(IPacketAead right, string wrong) : IPacketAead
    {
        public void Seal(Span<AeadPacket> packets)
        {
            right.Seal(packets);
            foreach (ref AeadPacket packet in packets)
            {
                if (wrong == "the keystream")
                    packet.Destination[packet.DestinationOffset] ^= 1;
                if (wrong == "the tag")
                    packet.Destination[packet.DestinationOffset + packet.Length] ^= 1;
            }
        }

        public void Open(Span<AeadPacket> packets)
        {
            right.Open(packets);
            foreach (ref AeadPacket packet in packets)
                packet.Authentic |= wrong == "the verdict";
        }

        public void Dispose() => right.Dispose();
    }
}
