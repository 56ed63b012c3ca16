using System.Runtime.InteropServices;

namespace Kedge.Linux.Interop;

/// <summary>The CPU, as glibc's <c>sys/platform/x86.h</c> has it, since 2.33.</summary>
internal static unsafe partial class Libc
{
    internal const uint CPUID_INDEX_1 = 0;
    internal const uint CPUID_INDEX_7 = 1;
    internal const uint CPUID_INDEX_80000001 = 2;

    /// <summary>A leaf of CPUID. The library owns it and never changes it; a leaf that it does not know is all zeros.</summary>
    [LibraryImport("libc")]
    internal static partial CpuidFeature* __x86_get_cpuid_feature_leaf(uint index);

    /// <summary>The registers that CPUID fills.</summary>
    internal readonly record struct CpuidRegisters(uint Eax, uint Ebx, uint Ecx, uint Edx);

    /// <summary><c>struct cpuid_feature</c>: what the CPU has, and what of it can be used under this operating system.</summary>
    internal readonly record struct CpuidFeature(CpuidRegisters Cpuid, CpuidRegisters Active);
}
