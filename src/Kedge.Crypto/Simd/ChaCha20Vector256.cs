using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Words = System.Runtime.Intrinsics.Vector256<uint>;

namespace Kedge.Crypto.Simd;

/// <summary>
/// ChaCha20 (RFC 8439, section 2.3) with AVX2: a vector holds one row of the state of two blocks, and a diagonal round is a column round on
/// rows that have been turned. A round waits for its own results most of the time, so four such pairs are worked on in turns, on all of the
/// 16 registers. A vector for each word, as with AVX-512, would leave memory busy in every round.
/// </summary>
internal static unsafe class ChaCha20Vector256
{
    /// <summary>Blocks of keystream in one call.</summary>
    public const int Blocks = 8;

    private const int DoubleRounds = 10;

    /// <inheritdoc cref="IVectorKernels.Keystream"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Keystream(uint* key, BlockNumbers* numbers, byte* keystream)
    {
        // Behind a pointer they can be operands in memory; as constants they would take registers from the rows.
        Vector256<byte>* rotations = stackalloc Vector256<byte>[2];
        rotations[0] = Vector256.Create(
            (byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        rotations[1] = Vector256.Create(
            (byte)3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);

        Words a0 = FirstRow(), a1 = a0, a2 = a0, a3 = a0;
        Words b0 = KeyRow(key), b1 = b0, b2 = b0, b3 = b0;
        Words c0 = KeyRow(key + 4), c1 = c0, c2 = c0, c3 = c0;
        Words d0 = LastRow(numbers, 0), d1 = LastRow(numbers, 2), d2 = LastRow(numbers, 4), d3 = LastRow(numbers, 6);
        for (int i = 0; i < DoubleRounds; i++)
        {
            Round(ref a0, ref b0, ref c0, ref d0, rotations);
            Round(ref a1, ref b1, ref c1, ref d1, rotations);
            Round(ref a2, ref b2, ref c2, ref d2, rotations);
            Round(ref a3, ref b3, ref c3, ref d3, rotations);
            Turn(ref b0, ref c0, ref d0);
            Turn(ref b1, ref c1, ref d1);
            Turn(ref b2, ref c2, ref d2);
            Turn(ref b3, ref c3, ref d3);
            Round(ref a0, ref b0, ref c0, ref d0, rotations);
            Round(ref a1, ref b1, ref c1, ref d1, rotations);
            Round(ref a2, ref b2, ref c2, ref d2, rotations);
            Round(ref a3, ref b3, ref c3, ref d3, rotations);
            Turn(ref d0, ref c0, ref b0);
            Turn(ref d1, ref c1, ref b1);
            Turn(ref d2, ref c2, ref b2);
            Turn(ref d3, ref c3, ref b3);
        }
        var blocks = (Words*)keystream;
        StoreBlocks(blocks, a0 + FirstRow(), b0 + KeyRow(key), c0 + KeyRow(key + 4), d0 + LastRow(numbers, 0));
        StoreBlocks(blocks + 4, a1 + FirstRow(), b1 + KeyRow(key), c1 + KeyRow(key + 4), d1 + LastRow(numbers, 2));
        StoreBlocks(blocks + 8, a2 + FirstRow(), b2 + KeyRow(key), c2 + KeyRow(key + 4), d2 + LastRow(numbers, 4));
        StoreBlocks(blocks + 12, a3 + FirstRow(), b3 + KeyRow(key), c3 + KeyRow(key + 4), d3 + LastRow(numbers, 6));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Words FirstRow() => Vector256.Create(
        ChaCha20.Word0, ChaCha20.Word1, ChaCha20.Word2, ChaCha20.Word3, ChaCha20.Word0, ChaCha20.Word1, ChaCha20.Word2, ChaCha20.Word3);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Words KeyRow(uint* words) => Avx2.BroadcastVector128ToVector256(words);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Words LastRow(BlockNumbers* numbers, int lane) => Vector256.Create(
        numbers->Block[lane], 0, numbers->CounterLow[lane], numbers->CounterHigh[lane],
        numbers->Block[lane + 1], 0, numbers->CounterLow[lane + 1], numbers->CounterHigh[lane + 1]);

    // RFC 8439, section 2.1, on all four columns.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(ref Words a, ref Words b, ref Words c, ref Words d, Vector256<byte>* rotations)
    {
        a += b;
        d = Avx2.Shuffle((d ^ a).AsByte(), rotations[0]).AsUInt32();
        c += d;
        b ^= c;
        b = b << 12 | b >> 20;
        a += b;
        d = Avx2.Shuffle((d ^ a).AsByte(), rotations[1]).AsUInt32();
        c += d;
        b ^= c;
        b = b << 7 | b >> 25;
    }

    // Turns the rows by one, two and three words to the left, so that diagonals become columns; with b and d exchanged, it turns back.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turn(ref Words b, ref Words c, ref Words d)
    {
        b = Avx2.Shuffle(b, 0b00_11_10_01);
        c = Avx2.Shuffle(c, 0b01_00_11_10);
        d = Avx2.Shuffle(d, 0b10_01_00_11);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreBlocks(Words* blocks, Words a, Words b, Words c, Words d)
    {
        blocks[0] = Avx2.Permute2x128(a, b, 0x20);
        blocks[1] = Avx2.Permute2x128(c, d, 0x20);
        blocks[2] = Avx2.Permute2x128(a, b, 0x31);
        blocks[3] = Avx2.Permute2x128(c, d, 0x31);
    }
}
