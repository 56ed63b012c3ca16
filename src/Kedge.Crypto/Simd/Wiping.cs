using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kedge.Crypto.Simd;

/// <summary>
/// Zeroes key material on the stack. For a few kilobytes the library's way starts the CPU's string instruction, which takes as long as a
/// small packet does.
/// </summary>
internal static unsafe class Wiping
{
    /// <summary>Zeroes memory; the compiler, which cannot see into the call, does not leave it out.</summary>
    /// <param name="memory">The first byte.</param>
    /// <param name="length">Bytes, a multiple of 32.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Zero(void* memory, int length)
    {
        byte* bytes = (byte*)memory;
        for (int i = 0; i < length; i += Vector256<byte>.Count)
            Vector256<byte>.Zero.Store(bytes + i);
    }
}
