namespace Kedge.Linux.Cpu;

/// <summary>
/// The microarchitecture levels of the x86-64 psABI: x86-64-v2, which .NET requires at least, and those above. Each includes the ones
/// before it.
/// </summary>
public enum MicroarchitectureLevel
{
    /// <summary>x86-64-v2: SSE4.2.</summary>
    V2 = 2,

    /// <summary>x86-64-v3: AVX2, BMI, FMA, LZCNT, MOVBE.</summary>
    V3 = 3,

    /// <summary>x86-64-v4: AVX-512 F, BW, CD, DQ and VL.</summary>
    V4 = 4,
}
