using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Words = System.Runtime.Intrinsics.Vector512<uint>;

namespace Kedge.Crypto.Simd;

/// <summary>
/// ChaCha20 (RFC 8439, section 2.3) with AVX-512: vector i holds word i of 16 blocks. A round waits for its own results most of the time,
/// so two such states are worked on in turns; together they fill the 32 registers, and leave none to spare.
/// </summary>
internal static unsafe class ChaCha20Vector512
{
    /// <summary>Blocks of keystream in one call.</summary>
    public const int Blocks = 2 * Half;

    private const int Half = 16, StateWords = 16, DoubleRounds = 10;

    /// <inheritdoc cref="IVectorKernels.Keystream"/>
    public static void Keystream(uint* key, BlockNumbers* numbers, int count, byte* keystream)
    {
        // The states leave the rounds through the memory that their blocks will have, which costs less than a kernel that does both.
        var first = (Words*)keystream;
        if (count <= Half)
        {
            Rounds(key, numbers, first);
            Finish(key, numbers, 0, first);
            return;
        }
        RoundsOfTwo(key, numbers, first);
        Finish(key, numbers, 0, first);
        Finish(key, numbers, Half, first + StateWords);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rounds(uint* key, BlockNumbers* numbers, Words* state)
    {
        Words a0 = Vector512.Create(ChaCha20.Word0), a1 = Vector512.Create(ChaCha20.Word1);
        Words a2 = Vector512.Create(ChaCha20.Word2), a3 = Vector512.Create(ChaCha20.Word3);
        Words a4 = Vector512.Create(key[0]), a5 = Vector512.Create(key[1]), a6 = Vector512.Create(key[2]), a7 = Vector512.Create(key[3]);
        Words a8 = Vector512.Create(key[4]), a9 = Vector512.Create(key[5]), a10 = Vector512.Create(key[6]), a11 = Vector512.Create(key[7]);
        Words a12 = Vector512.Load(numbers->Block), a13 = Words.Zero;
        Words a14 = Vector512.Load(numbers->CounterLow), a15 = Vector512.Load(numbers->CounterHigh);
        for (int i = 0; i < DoubleRounds; i++)
        {
            QuarterRounds(ref a0, ref a4, ref a8, ref a12, ref a1, ref a5, ref a9, ref a13);
            QuarterRounds(ref a2, ref a6, ref a10, ref a14, ref a3, ref a7, ref a11, ref a15);
            QuarterRounds(ref a0, ref a5, ref a10, ref a15, ref a1, ref a6, ref a11, ref a12);
            QuarterRounds(ref a2, ref a7, ref a8, ref a13, ref a3, ref a4, ref a9, ref a14);
        }
        Store(state, a0, a1, a2, a3);
        Store(state + 4, a4, a5, a6, a7);
        Store(state + 8, a8, a9, a10, a11);
        Store(state + 12, a12, a13, a14, a15);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundsOfTwo(uint* key, BlockNumbers* numbers, Words* state)
    {
        Words a0 = Vector512.Create(ChaCha20.Word0), a1 = Vector512.Create(ChaCha20.Word1);
        Words a2 = Vector512.Create(ChaCha20.Word2), a3 = Vector512.Create(ChaCha20.Word3);
        Words a4 = Vector512.Create(key[0]), a5 = Vector512.Create(key[1]), a6 = Vector512.Create(key[2]), a7 = Vector512.Create(key[3]);
        Words a8 = Vector512.Create(key[4]), a9 = Vector512.Create(key[5]), a10 = Vector512.Create(key[6]), a11 = Vector512.Create(key[7]);
        Words a12 = Vector512.Load(numbers->Block), a13 = Words.Zero;
        Words a14 = Vector512.Load(numbers->CounterLow), a15 = Vector512.Load(numbers->CounterHigh);
        Words b0 = a0, b1 = a1, b2 = a2, b3 = a3, b4 = a4, b5 = a5, b6 = a6, b7 = a7, b8 = a8, b9 = a9, b10 = a10, b11 = a11;
        Words b12 = Vector512.Load(numbers->Block + Half), b13 = Words.Zero;
        Words b14 = Vector512.Load(numbers->CounterLow + Half), b15 = Vector512.Load(numbers->CounterHigh + Half);
        for (int i = 0; i < DoubleRounds; i++)
        {
            QuarterRounds(ref a0, ref a4, ref a8, ref a12, ref b0, ref b4, ref b8, ref b12);
            QuarterRounds(ref a1, ref a5, ref a9, ref a13, ref b1, ref b5, ref b9, ref b13);
            QuarterRounds(ref a2, ref a6, ref a10, ref a14, ref b2, ref b6, ref b10, ref b14);
            QuarterRounds(ref a3, ref a7, ref a11, ref a15, ref b3, ref b7, ref b11, ref b15);
            QuarterRounds(ref a0, ref a5, ref a10, ref a15, ref b0, ref b5, ref b10, ref b15);
            QuarterRounds(ref a1, ref a6, ref a11, ref a12, ref b1, ref b6, ref b11, ref b12);
            QuarterRounds(ref a2, ref a7, ref a8, ref a13, ref b2, ref b7, ref b8, ref b13);
            QuarterRounds(ref a3, ref a4, ref a9, ref a14, ref b3, ref b4, ref b9, ref b14);
        }
        Store(state, a0, a1, a2, a3);
        Store(state + 4, a4, a5, a6, a7);
        Store(state + 8, a8, a9, a10, a11);
        Store(state + 12, a12, a13, a14, a15);
        Store(state + 16, b0, b1, b2, b3);
        Store(state + 20, b4, b5, b6, b7);
        Store(state + 24, b8, b9, b10, b11);
        Store(state + 28, b12, b13, b14, b15);
    }

    // Adds what the rounds began with, and turns 16 words of 16 blocks into 16 blocks of 16 words, in place.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(uint* key, BlockNumbers* numbers, int first, Words* state)
    {
        Words s0 = state[0] + Vector512.Create(ChaCha20.Word0), s1 = state[1] + Vector512.Create(ChaCha20.Word1);
        Words s2 = state[2] + Vector512.Create(ChaCha20.Word2), s3 = state[3] + Vector512.Create(ChaCha20.Word3);
        Words s4 = state[4] + Vector512.Create(key[0]), s5 = state[5] + Vector512.Create(key[1]);
        Words s6 = state[6] + Vector512.Create(key[2]), s7 = state[7] + Vector512.Create(key[3]);
        Words s8 = state[8] + Vector512.Create(key[4]), s9 = state[9] + Vector512.Create(key[5]);
        Words s10 = state[10] + Vector512.Create(key[6]), s11 = state[11] + Vector512.Create(key[7]);
        Words s12 = state[12] + Vector512.Load(numbers->Block + first), s13 = state[13];
        Words s14 = state[14] + Vector512.Load(numbers->CounterLow + first), s15 = state[15] + Vector512.Load(numbers->CounterHigh + first);
        TransposeWords(ref s0, ref s1, ref s2, ref s3);
        TransposeWords(ref s4, ref s5, ref s6, ref s7);
        TransposeWords(ref s8, ref s9, ref s10, ref s11);
        TransposeWords(ref s12, ref s13, ref s14, ref s15);
        StoreBlocks(state, s0, s4, s8, s12);
        StoreBlocks(state + 1, s1, s5, s9, s13);
        StoreBlocks(state + 2, s2, s6, s10, s14);
        StoreBlocks(state + 3, s3, s7, s11, s15);
    }

    // RFC 8439, section 2.1, on two states, or two columns of one, in turns.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(
        ref Words a, ref Words b, ref Words c, ref Words d, ref Words e, ref Words f, ref Words g, ref Words h)
    {
        a += b;
        e += f;
        d = Avx512F.RotateLeft(d ^ a, 16);
        h = Avx512F.RotateLeft(h ^ e, 16);
        c += d;
        g += h;
        b = Avx512F.RotateLeft(b ^ c, 12);
        f = Avx512F.RotateLeft(f ^ g, 12);
        a += b;
        e += f;
        d = Avx512F.RotateLeft(d ^ a, 8);
        h = Avx512F.RotateLeft(h ^ e, 8);
        c += d;
        g += h;
        b = Avx512F.RotateLeft(b ^ c, 7);
        f = Avx512F.RotateLeft(f ^ g, 7);
    }

    // Of four words of 16 blocks: vector i then holds, at 4 * n, the four words of block 4 * n + i.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeWords(ref Words a, ref Words b, ref Words c, ref Words d)
    {
        Vector512<ulong> ab = Avx512F.UnpackLow(a, b).AsUInt64(), cd = Avx512F.UnpackLow(c, d).AsUInt64();
        Vector512<ulong> abHigh = Avx512F.UnpackHigh(a, b).AsUInt64(), cdHigh = Avx512F.UnpackHigh(c, d).AsUInt64();
        a = Avx512F.UnpackLow(ab, cd).AsUInt32();
        b = Avx512F.UnpackHigh(ab, cd).AsUInt32();
        c = Avx512F.UnpackLow(abHigh, cdHigh).AsUInt32();
        d = Avx512F.UnpackHigh(abHigh, cdHigh).AsUInt32();
    }

    // Four quarters of each of four blocks, which lie four apart.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreBlocks(Words* blocks, Words a, Words b, Words c, Words d)
    {
        Words ab = Avx512F.Shuffle4x128(a, b, 0x44), cd = Avx512F.Shuffle4x128(c, d, 0x44);
        Words abHigh = Avx512F.Shuffle4x128(a, b, 0xee), cdHigh = Avx512F.Shuffle4x128(c, d, 0xee);
        blocks[0] = Avx512F.Shuffle4x128(ab, cd, 0x88);
        blocks[4] = Avx512F.Shuffle4x128(ab, cd, 0xdd);
        blocks[8] = Avx512F.Shuffle4x128(abHigh, cdHigh, 0x88);
        blocks[12] = Avx512F.Shuffle4x128(abHigh, cdHigh, 0xdd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Words* state, Words a, Words b, Words c, Words d)
    {
        state[0] = a;
        state[1] = b;
        state[2] = c;
        state[3] = d;
    }
}
