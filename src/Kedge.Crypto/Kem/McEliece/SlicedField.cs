using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// The same field, bit-sliced: 256 elements are 13 vectors, the first of which holds bit 0 of each. All operations are ands and
/// exclusive-ors of whole vectors, the same for all values. Pointers are aligned to 32 bytes; a result may be the place of an operand.
/// </summary>
internal static unsafe class SlicedField
{
    /// <summary>Elements in a block of <see cref="Parameters.M"/> vectors.</summary>
    public const int BlockLength = 256;

    /// <summary>Blocks of the n elements of the support.</summary>
    public const int Blocks = Parameters.N / BlockLength;

    /// <summary>Vectors of <see cref="Blocks"/> blocks.</summary>
    public const int Vectors = Blocks * Parameters.M;

    /// <summary>Vectors of the scratch memory that a product or an inverse needs: the caller's, who wipes it.</summary>
    public const int ScratchVectors = ProductVectors + Parameters.M;

    // An unreduced product.
    private const int ProductVectors = (2 * Parameters.M) - 1;

    private const int M = Parameters.M;

    /// <summary>Element by element, the product of two blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(Vector256<ulong>* a, Vector256<ulong>* b, Vector256<ulong>* product, Vector256<ulong>* scratch)
    {
        for (int k = 0; k < ProductVectors; k++)
        {
            int first = k < M ? 0 : k - M + 1, last = k < M ? k : M - 1;
            Vector256<ulong> sum = a[first] & b[k - first];
            for (int i = first + 1; i <= last; i++)
                sum ^= a[i] & b[k - i];
            scratch[k] = sum;
        }
        Reduce(scratch, product);
    }

    /// <summary>Element by element, the square of a block.</summary>
    public static void Square(Vector256<ulong>* a, Vector256<ulong>* square, Vector256<ulong>* scratch)
    {
        for (int k = 0; k < ProductVectors; k++)
            scratch[k] = (k & 1) == 0 ? a[k / 2] : Vector256<ulong>.Zero;
        Reduce(scratch, square);
    }

    /// <summary>Element by element, the inverse of a block; 0 for 0.</summary>
    public static void Invert(Vector256<ulong>* a, Vector256<ulong>* inverse, Vector256<ulong>* scratch)
    {
        Vector256<ulong>* power = scratch + ProductVectors;
        Copy(a, power);
        for (int i = 1; i < M - 1; i++)
        {
            Square(power, power, scratch);
            Multiply(power, a, power, scratch);
        }
        Square(power, inverse, scratch);
    }

    /// <summary>Evaluates a polynomial at all elements of all blocks.</summary>
    /// <param name="coefficients">Its t + 1 coefficients, that of degree 0 first.</param>
    /// <param name="points">Where to evaluate it.</param>
    /// <param name="values">Receives the values.</param>
    /// <param name="scratch">Scratch memory.</param>
    public static void Evaluate(ushort* coefficients, Vector256<ulong>* points, Vector256<ulong>* values, Vector256<ulong>* scratch)
    {
        for (int block = 0; block < Vectors; block += M)
        {
            for (int k = 0; k < M; k++)
                values[block + k] = Vector256.Create(BitMask(coefficients[Parameters.T], k));
            for (int i = Parameters.T - 1; i >= 0; i--)
            {
                Multiply(values + block, points + block, values + block, scratch);
                for (int k = 0; k < M; k++)
                    values[block + k] ^= Vector256.Create(BitMask(coefficients[i], k));
            }
        }
    }

    /// <summary>The sums over elements e of e p^j, for j from 0 on: what syndromes are. The elements are overwritten.</summary>
    /// <param name="elements">Blocks of elements.</param>
    /// <param name="points">For each its p.</param>
    /// <param name="blocks">How many blocks there are.</param>
    /// <param name="sums">Receives the sums.</param>
    /// <param name="count">How many sums.</param>
    /// <param name="scratch">Scratch memory.</param>
    public static void PowerSums(
        Vector256<ulong>* elements, Vector256<ulong>* points, int blocks, ushort* sums, int count, Vector256<ulong>* scratch)
    {
        for (int j = 0; j < count; j++)
        {
            int sum = 0;
            for (int k = 0; k < M; k++)
            {
                Vector256<ulong> bits = elements[k];
                for (int block = 1; block < blocks; block++)
                    bits ^= elements[(block * M) + k];
                sum |= Parity(bits) << k;
            }
            sums[j] = (ushort)sum;
            for (int block = 0; block < blocks; block++)
                Multiply(elements + (block * M), points + (block * M), elements + (block * M), scratch);
        }
    }

    /// <summary>Slices elements, a block's for each 256.</summary>
    public static void Slice(ushort* elements, Vector256<ulong>* blocks)
    {
        const int VectorsOfBlock = BlockLength / Field.Lanes;
        for (int block = 0; block < Blocks; block++)
        {
            for (int i = 0; i < VectorsOfBlock; i++)
            {
                Vector256<ushort> vector = Vector256.Load(elements + (block * BlockLength) + (i * Field.Lanes));
                for (int k = 0; k < M; k++)
                    ((ushort*)(blocks + (block * M) + k))[i] = (ushort)(vector << (15 - k)).ExtractMostSignificantBits();
            }
        }
    }

    /// <summary>Whether an odd number of bits is set: 1, else 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Parity(Vector256<ulong> bits)
    {
        Vector128<ulong> half = bits.GetLower() ^ bits.GetUpper();
        return System.Numerics.BitOperations.PopCount(half[0] ^ half[1]) & 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong BitMask(ushort element, int bit) => 0UL - ((ulong)element >> bit & 1);

    // By z^13 = z^4 + z^3 + z + 1, from the highest power down.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Reduce(Vector256<ulong>* scratch, Vector256<ulong>* result)
    {
        for (int k = ProductVectors - 1; k >= M; k--)
        {
            Vector256<ulong> high = scratch[k];
            scratch[k - 9] ^= high;
            scratch[k - 10] ^= high;
            scratch[k - 12] ^= high;
            scratch[k - 13] ^= high;
        }
        Copy(scratch, result);
    }

    private static void Copy(Vector256<ulong>* from, Vector256<ulong>* to)
    {
        for (int k = 0; k < M; k++)
            to[k] = from[k];
    }
}
