using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kedge.Crypto.Simd;

/// <summary>The kernels for AVX2.</summary>
internal readonly unsafe struct Vector256Kernels : IVectorKernels
{
    /// <summary>Whether this CPU has what it takes.</summary>
    public static bool IsSupported => Avx2.IsSupported;

    public static int Blocks => ChaCha20Vector256.Blocks;

    public static int Lanes => Poly1305Vector256.Lanes;

    public static void Keystream(uint* key, BlockNumbers* numbers, int count, byte* keystream) =>
        ChaCha20Vector256.Keystream(key, numbers, count, keystream);

    public static void Authenticate(Poly1305Lanes* lanes) => Poly1305Vector256.Authenticate(lanes);

    public static void Absorb(Poly1305Accumulator* accumulator, byte* blocks, int count) =>
        Poly1305Vector256.Absorb(accumulator, blocks, count);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Xor(byte* source, byte* keystream, byte* destination, int length)
    {
        int done = 0;
        for (; length - done >= Vector256<byte>.Count; done += Vector256<byte>.Count)
            (Vector256.Load(source + done) ^ Vector256.Load(keystream + done)).Store(destination + done);
        for (; length - done >= sizeof(ulong); done += sizeof(ulong))
        {
            ulong bytes = Unsafe.ReadUnaligned<ulong>(source + done) ^ Unsafe.ReadUnaligned<ulong>(keystream + done);
            Unsafe.WriteUnaligned(destination + done, bytes);
        }
        for (; done < length; done++)
            destination[done] = (byte)(source[done] ^ keystream[done]);
    }
}
