using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Kedge.Linux.Cpu;
using Kedge.Linux.Processes;
using Kedge.Protocol;

namespace Kedge.Startup;

/// <summary>
/// The program that carries packets. The native compiler fixes the instruction set, so beside the program for any x86-64 there is a smaller
/// one for each higher level, which has nothing but the commands that carry packets or compute keys. The first hands these commands over
/// to the one that suits the CPU.
/// </summary>
internal static class PacketProgram
{
    /// <summary>The environment variable that chooses a level in place of the CPU's: <c>v2</c>, <c>v3</c> or <c>v4</c>.</summary>
    public const string Variable = "KEDGE_LEVEL";

    /// <summary>Whether this is the smaller program. The compiler knows it, and leaves out what such a program does not need.</summary>
    [FeatureSwitchDefinition("Kedge.CarriesPacketsOnly")]
    public static bool IsThis => AppContext.TryGetSwitch("Kedge.CarriesPacketsOnly", out bool only) && only;

    /// <summary>Whether this program was compiled ahead of time.</summary>
    public static bool IsNative => !RuntimeFeature.IsDynamicCodeSupported;

    /// <summary>The level that this program was compiled for; what the CPU has, where it is compiled as it runs.</summary>
    public static MicroarchitectureLevel Level =>
        Avx512BW.IsSupported ? MicroarchitectureLevel.V4 : Avx2.IsSupported ? MicroarchitectureLevel.V3 : MicroarchitectureLevel.V2;

    /// <summary>
    /// Replaces this process by the program for the CPU's level, or for the one asked for. Returns where this program is the right one, or
    /// there is no other.
    /// </summary>
    /// <exception cref="UserError">The level asked for is unknown, not for this CPU, or its program is missing.</exception>
    public static void TakeOver()
    {
        if (!IsNative || IsThis)
            return;
        CpuFeatures cpu = CpuFeatures.Read();
        string? asked = Environment.GetEnvironmentVariable(Variable);
        MicroarchitectureLevel level = string.IsNullOrEmpty(asked) ? FastestOn(cpu) : Read(asked, cpu);
        for (MicroarchitectureLevel next = level; next > MicroarchitectureLevel.V2; next--)
        {
            if (File.Exists(FileFor(next)))
                ProcessImage.Replace(FileFor(next));
            if (!string.IsNullOrEmpty(asked))
                throw new UserError($"{Variable} is '{asked}', but there is no {FileFor(next)}: install it, or unset {Variable}.");
        }
    }

    /// <summary>A level's name, such as <c>v3</c>.</summary>
    public static string Name(MicroarchitectureLevel level) => $"v{(int)level}";

    /// <summary>The level whose program is fastest on a CPU.</summary>
    internal static MicroarchitectureLevel FastestOn(CpuFeatures cpu) =>
        cpu.Level == MicroarchitectureLevel.V4 && cpu.IsSlowedByAvx512 ? MicroarchitectureLevel.V3 : cpu.Level;

    /// <summary>Reads what <see cref="Variable"/> says.</summary>
    /// <exception cref="UserError">It is not the name of a level, or of one that the CPU does not have.</exception>
    internal static MicroarchitectureLevel Read(string asked, CpuFeatures cpu)
    {
        MicroarchitectureLevel[] levels = Enum.GetValues<MicroarchitectureLevel>();
        MicroarchitectureLevel level = levels.FirstOrDefault(level => Name(level) == asked);
        if (level != default && level <= cpu.Level)
            return level;
        string wrong = level == default ? "not a level" : "more than this CPU has";
        string right = string.Join(" or ", levels.Where(level => level <= cpu.Level).Select(Name));
        throw new UserError($"{Variable} is '{asked}', which is {wrong}: set it to {right}, or unset it for the fastest.");
    }

    // In the prefix that this program is installed in: bin/kedge, lib/kedge/v3/kedge, lib/kedge/v4/kedge.
    private static string FileFor(MicroarchitectureLevel level) =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Environment.ProcessPath)!, "../lib/kedge", Name(level), "kedge"));
}
