using Kedge.Linux.Cpu;

namespace Kedge.Tests.Linux;

/// <summary>Bits as the manuals of Intel and AMD number them, levels as the x86-64 psABI defines them.</summary>
public sealed class CpuFeaturesTests
{
    // SSE3, PCLMULQDQ, SSSE3, FMA, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, OSXSAVE, AVX, F16C, RDRAND.
    private static readonly int[] Leaf1 = [0, 1, 9, 12, 13, 19, 20, 22, 23, 25, 26, 27, 28, 29, 30];

    // FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, then AVX-512 F, DQ, CD, BW, VL.
    private static readonly int[] Leaf7 = [0, 3, 5, 7, 8, 9, 16, 17, 28, 30, 31];

    // LAHF, LZCNT, PREFETCHW.
    private static readonly int[] Extended = [0, 5, 8];

    private const uint SapphireRapids = 0x000806F8, SkylakeServer = 0x00050654, CascadeLake = 0x00050657, SkylakeClient = 0x000506E3, Zen4 = 0x00A10F11;

    [Fact]
    public void A_cpu_with_everything_has_the_highest_level() => Assert.Equal(MicroarchitectureLevel.V4, Without().Level);

    [Theory]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(28)]
    [InlineData(30)]
    [InlineData(31)]
    public void A_part_of_avx512_that_is_missing_makes_it_v3(int bit) => Assert.Equal(MicroarchitectureLevel.V3, Without(leaf7: bit).Level);

    [Theory]
    [InlineData(12)]
    [InlineData(22)]
    [InlineData(28)]
    [InlineData(29)]
    public void A_feature_of_leaf_1_that_is_missing_makes_it_v2(int bit) => Assert.Equal(MicroarchitectureLevel.V2, Without(leaf1: bit).Level);

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(8)]
    public void A_feature_of_leaf_7_that_is_missing_makes_it_v2(int bit) => Assert.Equal(MicroarchitectureLevel.V2, Without(leaf7: bit).Level);

    [Fact]
    public void Without_lzcnt_it_is_v2() => Assert.Equal(MicroarchitectureLevel.V2, Without(extended: 5).Level);

    [Fact]
    public void A_cpu_about_which_nothing_is_known_has_the_lowest_level() => Assert.Equal(MicroarchitectureLevel.V2, default(CpuFeatures).Level);

    [Theory]
    [InlineData(SkylakeServer, true)]
    [InlineData(CascadeLake, true)]
    [InlineData(SapphireRapids, false)]
    [InlineData(SkylakeClient, false)]
    [InlineData(Zen4, false)]
    public void The_first_generations_of_avx512_are_slowed_by_it(uint signature, bool slowed) =>
        Assert.Equal(slowed, new CpuFeatures(signature, 0, 0, 0).IsSlowedByAvx512);

    private static CpuFeatures Without(int leaf1 = -1, int leaf7 = -1, int extended = -1) =>
        new(SapphireRapids, Bits(Leaf1, leaf1), Bits(Leaf7, leaf7), Bits(Extended, extended));

    private static uint Bits(int[] numbers, int without) => numbers.Where(bit => bit != without).Aggregate(0u, (bits, bit) => bits | 1u << bit);
}
