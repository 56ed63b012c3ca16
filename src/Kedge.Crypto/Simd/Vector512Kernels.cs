using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kedge.Crypto.Simd;

/// <summary>The kernels for AVX-512: F for the arithmetic, BW for loads and stores of some bytes of a vector.</summary>
internal readonly unsafe struct Vector512Kernels : IVectorKernels
{
    /// <summary>
    /// Whether this CPU has what it takes and is not slowed down by it, as the first generations are; the runtime tells those apart.
    /// </summary>
    public static bool IsSupported => Vector512.IsHardwareAccelerated && Avx512BW.IsSupported;

    public static int Blocks => ChaCha20Vector512.Blocks;

    public static int Lanes => Poly1305Vector512.Lanes;

    public static void Keystream(uint* key, BlockNumbers* numbers, int count, byte* keystream) =>
        ChaCha20Vector512.Keystream(key, numbers, count, keystream);

    public static void Authenticate(Poly1305Lanes* lanes) => Poly1305Vector512.Authenticate(lanes);

    public static void Absorb(Poly1305Accumulator* accumulator, byte* blocks, int count)
    {
        // Below, the powers of eight lanes cost more than the lanes save; measured.
        const int LeastBlocks = 80;

        if (count < LeastBlocks)
            Poly1305Vector256.Absorb(accumulator, blocks, count);
        else
            Poly1305Vector512.Absorb(accumulator, blocks, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Xor(byte* source, byte* keystream, byte* destination, int length)
    {
        int done = 0;
        for (; length - done >= Vector512<byte>.Count; done += Vector512<byte>.Count)
            (Vector512.Load(source + done) ^ Vector512.Load(keystream + done)).Store(destination + done);
        if (done < length)
        {
            Vector512<byte> rest = Bytes(0, length - done);
            Vector512<byte> bytes = Avx512BW.MaskLoad(source + done, rest, default) ^ Vector512.Load(keystream + done);
            Avx512BW.MaskStore(destination + done, rest, bytes);
        }
    }

    /// <summary>A mask of the bytes from <paramref name="begin"/> on that lie before <paramref name="end"/>, each from 0 to 64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Bytes(long begin, long end)
    {
        Vector512<byte> indices = Vector512<byte>.Indices;
        Vector512<byte> begun = Vector512.GreaterThanOrEqual(indices, Vector512.Create((byte)begin));
        return begun & Vector512.LessThan(indices, Vector512.Create((byte)end));
    }
}
