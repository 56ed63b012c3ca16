using System.Numerics;
using System.Runtime.Intrinsics;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// Decodes the Goppa code of a secret key (specification, section 2.5, Decode): syndromes, Berlekamp and Massey's algorithm, roots of the
/// locator polynomial by evaluation at all of the support, and a check. Everything is secret but the ciphertext; loops have fixed bounds,
/// the algorithm's decisions are masks, and a ciphertext that cannot be decoded goes the same way.
/// </summary>
internal static unsafe class Decoder
{
    private const int T = Parameters.T, M = Parameters.M, Syndromes = 2 * T;

    // The ciphertext's bits are the first 1248 of a word otherwise zero.
    private const int SyndromeBlocks = (Parameters.Rows + SlicedField.BlockLength - 1) / SlicedField.BlockLength;

    // Coefficients 0 to t of a polynomial in whole vectors, and one more place, for a shift by one.
    private const int Vectors = (T / Field.Lanes) + 1, Padded = (Vectors + 1) * Field.Lanes;

    private const int MemorySize = (((4 * SlicedField.Vectors) + SlicedField.ScratchVectors + SlicedField.Blocks) * 32) +
        ((Parameters.Q + Syndromes + (2 * Syndromes) + (4 * Padded)) * sizeof(ushort)) + (16 * 64);

    /// <summary>Finds the error vector of a syndrome.</summary>
    /// <param name="goppa">The Goppa polynomial of the secret key, <see cref="Parameters.GoppaSize"/> bytes.</param>
    /// <param name="controlBits">The control bits of the secret key.</param>
    /// <param name="syndrome">The syndrome, <see cref="Parameters.SyndromeSize"/> bytes.</param>
    /// <param name="vector">Receives the vector, <see cref="Parameters.VectorSize"/> bytes; nonsense where there is none.</param>
    /// <returns>All ones where the vector has weight t and this syndrome, else 0.</returns>
    public static byte Decode(ReadOnlySpan<byte> goppa, ReadOnlySpan<byte> controlBits, ReadOnlySpan<byte> syndrome, Span<byte> vector)
    {
        using var memory = new SecretMemory(MemorySize);
        ushort* polynomial = memory.Take<ushort>(Padded), elements = memory.Take<ushort>(Parameters.Q);
        Vector256<ulong>* points = memory.Take<Vector256<ulong>>(SlicedField.Vectors);
        Vector256<ulong>* inverses = memory.Take<Vector256<ulong>>(SlicedField.Vectors);
        Vector256<ulong>* values = memory.Take<Vector256<ulong>>(SlicedField.Vectors);
        Vector256<ulong>* scratch = memory.Take<Vector256<ulong>>(SlicedField.ScratchVectors);
        Vector256<ulong>* word = memory.Take<Vector256<ulong>>(SlicedField.Blocks);
        ushort* sums = memory.Take<ushort>(Syndromes), reversed = memory.Take<ushort>(2 * Syndromes);
        ushort* connection = memory.Take<ushort>(2 * Padded);

        for (int i = 0; i < T; i++)
            polynomial[i] = (ushort)((goppa[2 * i] | (goppa[(2 * i) + 1] << 8)) & Field.Mask);
        polynomial[T] = 1;
        ControlBits.PermuteField(controlBits, elements);
        SlicedField.Slice(elements, points);
        SlicedField.Evaluate(polynomial, points, inverses, scratch);
        for (int block = 0; block < SlicedField.Vectors; block += M)
            SlicedField.Invert(inverses + block, inverses + block, scratch);

        // The code by g is the code by g^2, whose syndromes suffice for t errors.
        syndrome.CopyTo(new Span<byte>(word, Parameters.VectorSize));
        for (int block = 0; block < SyndromeBlocks; block++)
        {
            SlicedField.Square(inverses + (block * M), values + (block * M), scratch);
            Mask(values + (block * M), word[block], values + (block * M));
        }
        SlicedField.PowerSums(values, points, SyndromeBlocks, sums, Syndromes, scratch);
        FindLocator(sums, reversed, connection, polynomial);

        SlicedField.Evaluate(polynomial, points, values, scratch);
        int weight = 0;
        fixed (byte* output = vector)
        {
            for (int block = 0; block < SlicedField.Blocks; block++)
            {
                Vector256<ulong> nonzero = values[block * M];
                for (int k = 1; k < M; k++)
                    nonzero |= values[(block * M) + k];
                Vector256<ulong> errors = ~nonzero;
                errors.AsByte().Store(output + (block * sizeof(Vector256<ulong>)));
                for (int i = 0; i < Vector256<ulong>.Count; i++)
                    weight += BitOperations.PopCount(errors[i]);

                // What is left of the word must be of the code.
                Mask(inverses + (block * M), word[block] ^ errors, values + (block * M));
            }
        }
        SlicedField.PowerSums(values, points, SlicedField.Blocks, sums, T, scratch);
        int wrong = weight ^ T;
        for (int i = 0; i < T; i++)
            wrong |= sums[i];
        return (byte)((wrong - 1) >> 31);
    }

    private static void Mask(Vector256<ulong>* block, Vector256<ulong> mask, Vector256<ulong>* result)
    {
        for (int k = 0; k < M; k++)
            result[k] = block[k] & mask;
    }

    // Berlekamp and Massey's algorithm without inversions: c and b are the connection polynomials, now and before the length last grew.
    private static void FindLocator(ushort* sums, ushort* reversed, ushort* c, ushort* locator)
    {
        ushort* b = c + Padded;
        for (int i = 0; i < Syndromes; i++)
            reversed[Syndromes - i] = sums[i];
        c[0] = b[1] = 1;
        ushort previous = 1;
        int length = 0;
        for (int n = 0; n < Syndromes; n++)
        {
            Vector256<ushort> products = Vector256<ushort>.Zero;
            for (int i = 0; i < Vectors; i++)
            {
                Vector256<ushort> sequence = Vector256.Load(reversed + Syndromes - n + (i * Field.Lanes));
                products ^= Field.Multiply(Vector256.Load(c + (i * Field.Lanes)), sequence);
            }
            ushort discrepancy = Field.Sum(products);
            int grows = (ushort)~Field.IsZero(discrepancy) & ~((n - (2 * length)) >> 31);
            Vector256<ushort> mask = Vector256.Create((ushort)grows), d = Vector256.Create(discrepancy), p = Vector256.Create(previous);
            for (int i = 0; i < Vectors; i++)
            {
                Vector256<ushort> now = Vector256.Load(c + (i * Field.Lanes)), before = Vector256.Load(b + (i * Field.Lanes));
                (Field.Multiply(p, now) ^ Field.Multiply(d, before)).Store(c + (i * Field.Lanes));
                Vector256.ConditionalSelect(mask, now, before).Store(b + (i * Field.Lanes));
            }
            length ^= (length ^ (n + 1 - length)) & grows;
            previous = (ushort)(previous ^ ((previous ^ discrepancy) & grows));
            for (int i = T; i > 0; i--)
                b[i] = b[i - 1];
            b[0] = 0;
        }
        for (int i = 0; i <= T; i++)
            locator[i] = c[T - i];
    }
}
