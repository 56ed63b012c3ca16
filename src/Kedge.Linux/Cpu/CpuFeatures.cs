using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Cpu;

/// <summary>
/// What an x86-64 CPU can do: the registers of the CPUID leaves that matter here, with the bits of those features only that the operating
/// system has enabled as well.
/// </summary>
/// <param name="Signature">EAX of leaf 1 as the CPU has it: stepping, model and family.</param>
/// <param name="Leaf1Ecx">ECX of leaf 1.</param>
/// <param name="Leaf7Ebx">EBX of leaf 7.</param>
/// <param name="ExtendedEcx">ECX of leaf 0x80000001.</param>
public readonly record struct CpuFeatures(uint Signature, uint Leaf1Ecx, uint Leaf7Ebx, uint ExtendedEcx)
{
    // Leaf 1, ECX.
    private const uint Fma = 1 << 12, Movbe = 1 << 22, Avx = 1 << 28, F16c = 1 << 29;

    // Leaf 7, EBX.
    private const uint Bmi1 = 1 << 3, Avx2 = 1 << 5, Bmi2 = 1 << 8;
    private const uint Avx512F = 1 << 16, Avx512Dq = 1 << 17, Avx512Cd = 1 << 28, Avx512Bw = 1 << 30, Avx512Vl = 1u << 31;

    // Leaf 0x80000001, ECX.
    private const uint Lzcnt = 1 << 5;

    // Family 6 with the models of Skylake Server, Cascade Lake and Cooper Lake, and of Cannon Lake.
    private const uint FamilyAndModel = 0x0FFF0FF0, SkylakeServer = 0x00050650, CannonLake = 0x00060660;

    /// <summary>
    /// The highest level of this machine. It is exact: a program for a level that the CPU lacks does not start.
    /// </summary>
    public MicroarchitectureLevel Level =>
        !HasAll(Leaf1Ecx, Fma | Movbe | Avx | F16c) || !HasAll(Leaf7Ebx, Bmi1 | Avx2 | Bmi2) || !HasAll(ExtendedEcx, Lzcnt)
            ? MicroarchitectureLevel.V2
        : !HasAll(Leaf7Ebx, Avx512F | Avx512Dq | Avx512Cd | Avx512Bw | Avx512Vl) ? MicroarchitectureLevel.V3
        : MicroarchitectureLevel.V4;

    /// <summary>Whether 512-bit vectors lower the CPU's frequency, so that those of 256 bits are faster: the first generations of AVX-512.</summary>
    public bool IsSlowedByAvx512 => (Signature & FamilyAndModel) is SkylakeServer or CannonLake;

    /// <summary>
    /// This machine's features, as the C library found them. None where that cannot tell: another architecture, or a C library other than
    /// glibc 2.33 or later.
    /// </summary>
    public static unsafe CpuFeatures Read()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
            return default;
        try
        {
            Libc.CpuidFeature* leaf1 = Libc.__x86_get_cpuid_feature_leaf(Libc.CPUID_INDEX_1);
            Libc.CpuidFeature* leaf7 = Libc.__x86_get_cpuid_feature_leaf(Libc.CPUID_INDEX_7);
            Libc.CpuidFeature* extended = Libc.__x86_get_cpuid_feature_leaf(Libc.CPUID_INDEX_80000001);
            return new(leaf1->Cpuid.Eax, leaf1->Active.Ecx, leaf7->Active.Ebx, extended->Active.Ecx);
        }
        catch (EntryPointNotFoundException)
        {
            return default;
        }
    }

    private static bool HasAll(uint register, uint bits) => (register & bits) == bits;
}
