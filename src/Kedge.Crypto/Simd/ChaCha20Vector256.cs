using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Words = System.Runtime.Intrinsics.Vector256<uint>;

namespace Kedge.Crypto.Simd;

/// <summary>
/// ChaCha20 (RFC 8439, section 2.3) with AVX2: vector i holds word i of 8 blocks. A round waits for its own results most of the time, so
/// two such states are worked on in turns. They have twice the words that there are registers and therefore stay in memory, whence a
/// quarter round takes four words, and puts them back.
/// </summary>
internal static unsafe class ChaCha20Vector256
{
    /// <summary>Blocks of keystream in one call.</summary>
    public const int Blocks = 2 * Half;

    private const int Half = 8, StateWords = 16, DoubleRounds = 10;

    /// <inheritdoc cref="IVectorKernels.Keystream"/>
    public static void Keystream(uint* key, BlockNumbers* numbers, int count, byte* keystream)
    {
        // The states are in the memory that their blocks will have.
        var first = (Words*)keystream;
        Begin(key, numbers, 0, first);
        if (count <= Half)
        {
            Rounds(first);
            Finish(key, numbers, 0, first);
            return;
        }
        Begin(key, numbers, Half, first + StateWords);
        RoundsOfTwo(first);
        Finish(key, numbers, 0, first);
        Finish(key, numbers, Half, first + StateWords);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Begin(uint* key, BlockNumbers* numbers, int first, Words* state)
    {
        state[0] = Vector256.Create(ChaCha20.Word0);
        state[1] = Vector256.Create(ChaCha20.Word1);
        state[2] = Vector256.Create(ChaCha20.Word2);
        state[3] = Vector256.Create(ChaCha20.Word3);
        for (int i = 0; i < 8; i++)
            state[4 + i] = Vector256.Create(key[i]);
        state[12] = Vector256.Load(numbers->Block + first);
        state[13] = Words.Zero;
        state[14] = Vector256.Load(numbers->CounterLow + first);
        state[15] = Vector256.Load(numbers->CounterHigh + first);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rounds(Words* state)
    {
        for (int i = 0; i < DoubleRounds; i++)
        {
            QuarterRound(state, 0, 4, 8, 12);
            QuarterRound(state, 1, 5, 9, 13);
            QuarterRound(state, 2, 6, 10, 14);
            QuarterRound(state, 3, 7, 11, 15);
            QuarterRound(state, 0, 5, 10, 15);
            QuarterRound(state, 1, 6, 11, 12);
            QuarterRound(state, 2, 7, 8, 13);
            QuarterRound(state, 3, 4, 9, 14);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundsOfTwo(Words* states)
    {
        for (int i = 0; i < DoubleRounds; i++)
        {
            QuarterRounds(states, 0, 4, 8, 12);
            QuarterRounds(states, 1, 5, 9, 13);
            QuarterRounds(states, 2, 6, 10, 14);
            QuarterRounds(states, 3, 7, 11, 15);
            QuarterRounds(states, 0, 5, 10, 15);
            QuarterRounds(states, 1, 6, 11, 12);
            QuarterRounds(states, 2, 7, 8, 13);
            QuarterRounds(states, 3, 4, 9, 14);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(Words* states, int a, int b, int c, int d)
    {
        QuarterRound(states, a, b, c, d);
        QuarterRound(states + StateWords, a, b, c, d);
    }

    // RFC 8439, section 2.1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRound(Words* state, int a, int b, int c, int d)
    {
        Vector256<byte> by16 = Vector256.Create(
            (byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        Vector256<byte> by8 = Vector256.Create(
            (byte)3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
        Words x = state[a], y = state[b], z = state[c], w = state[d];
        x += y;
        w = Avx2.Shuffle((w ^ x).AsByte(), by16).AsUInt32();
        z += w;
        y ^= z;
        y = y << 12 | y >> 20;
        x += y;
        w = Avx2.Shuffle((w ^ x).AsByte(), by8).AsUInt32();
        z += w;
        y ^= z;
        y = y << 7 | y >> 25;
        state[a] = x;
        state[b] = y;
        state[c] = z;
        state[d] = w;
    }

    // Adds what the rounds began with, and turns 16 words of 8 blocks into 8 blocks of 16 words, in place.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(uint* key, BlockNumbers* numbers, int first, Words* state)
    {
        Words s0 = state[0] + Vector256.Create(ChaCha20.Word0), s1 = state[1] + Vector256.Create(ChaCha20.Word1);
        Words s2 = state[2] + Vector256.Create(ChaCha20.Word2), s3 = state[3] + Vector256.Create(ChaCha20.Word3);
        Words s4 = state[4] + Vector256.Create(key[0]), s5 = state[5] + Vector256.Create(key[1]);
        Words s6 = state[6] + Vector256.Create(key[2]), s7 = state[7] + Vector256.Create(key[3]);
        TransposeWords(ref s0, ref s1, ref s2, ref s3);
        TransposeWords(ref s4, ref s5, ref s6, ref s7);
        Words s8 = state[8] + Vector256.Create(key[4]), s9 = state[9] + Vector256.Create(key[5]);
        Words s10 = state[10] + Vector256.Create(key[6]), s11 = state[11] + Vector256.Create(key[7]);
        Words s12 = state[12] + Vector256.Load(numbers->Block + first), s13 = state[13];
        Words s14 = state[14] + Vector256.Load(numbers->CounterLow + first), s15 = state[15] + Vector256.Load(numbers->CounterHigh + first);
        StoreHalves(state, s0, s4);
        StoreHalves(state + 2, s1, s5);
        StoreHalves(state + 4, s2, s6);
        StoreHalves(state + 6, s3, s7);
        TransposeWords(ref s8, ref s9, ref s10, ref s11);
        TransposeWords(ref s12, ref s13, ref s14, ref s15);
        StoreHalves(state + 1, s8, s12);
        StoreHalves(state + 3, s9, s13);
        StoreHalves(state + 5, s10, s14);
        StoreHalves(state + 7, s11, s15);
    }

    // Of four words of 8 blocks: vector i then holds the four words of blocks i and 4 + i.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeWords(ref Words a, ref Words b, ref Words c, ref Words d)
    {
        Vector256<ulong> ab = Avx2.UnpackLow(a, b).AsUInt64(), cd = Avx2.UnpackLow(c, d).AsUInt64();
        Vector256<ulong> abHigh = Avx2.UnpackHigh(a, b).AsUInt64(), cdHigh = Avx2.UnpackHigh(c, d).AsUInt64();
        a = Avx2.UnpackLow(ab, cd).AsUInt32();
        b = Avx2.UnpackHigh(ab, cd).AsUInt32();
        c = Avx2.UnpackLow(abHigh, cdHigh).AsUInt32();
        d = Avx2.UnpackHigh(abHigh, cdHigh).AsUInt32();
    }

    // Half of a block, and of the one four behind it, of two vectors a block.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreHalves(Words* block, Words a, Words b)
    {
        block[0] = Avx2.Permute2x128(a, b, 0x20);
        block[8] = Avx2.Permute2x128(a, b, 0x31);
    }
}
