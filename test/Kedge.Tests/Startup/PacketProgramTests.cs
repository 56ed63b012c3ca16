using Kedge.Linux.Cpu;
using Kedge.Protocol;
using Kedge.Startup;

namespace Kedge.Tests.Startup;

public sealed class PacketProgramTests
{
    private static readonly CpuFeatures Haswell = new(0x000306C3, 0x7FFAFBFF, 0x000027AB, 0x21);
    private static readonly CpuFeatures CascadeLake = new(0x00050657, 0x7FFEFBFF, 0xD39FFFFB, 0x121);

    [Fact]
    public void A_cpu_that_avx512_slows_down_gets_the_program_without_it()
    {
        Assert.Equal(MicroarchitectureLevel.V4, CascadeLake.Level);
        Assert.Equal(MicroarchitectureLevel.V3, PacketProgram.FastestOn(CascadeLake));
        Assert.Equal(MicroarchitectureLevel.V4, PacketProgram.FastestOn(CascadeLake with { Signature = 0x000806F8 }));
        Assert.Equal(MicroarchitectureLevel.V3, PacketProgram.FastestOn(Haswell));
    }

    [Theory]
    [InlineData("v2", MicroarchitectureLevel.V2)]
    [InlineData("v3", MicroarchitectureLevel.V3)]
    [InlineData("v4", MicroarchitectureLevel.V4)]
    public void A_level_is_chosen_by_its_name(string asked, MicroarchitectureLevel level) =>
        Assert.Equal(level, PacketProgram.Read(asked, CascadeLake));

    [Theory]
    [InlineData("v5", "KEDGE_LEVEL is 'v5', which is not a level: set it to v2 or v3, or unset it for the fastest.")]
    [InlineData("V3", "KEDGE_LEVEL is 'V3', which is not a level: set it to v2 or v3, or unset it for the fastest.")]
    [InlineData("v4", "KEDGE_LEVEL is 'v4', which is more than this CPU has: set it to v2 or v3, or unset it for the fastest.")]
    public void A_level_that_is_not_to_be_had_is_refused(string asked, string message) =>
        Assert.Equal(message, Assert.Throws<UserError>(() => PacketProgram.Read(asked, Haswell)).Message);
}
