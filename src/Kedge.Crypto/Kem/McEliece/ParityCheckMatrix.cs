using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// The parity-check matrix of a Goppa code, mt rows of n bits, and its systematic form, the public key (specification, section 4.2,
/// MatGen). Until then it is secret: elimination adds every row to every other one under masks. Only whether there is a systematic form
/// shows.
/// </summary>
internal static unsafe class ParityCheckMatrix
{
    private const int RowVectors = SlicedField.Blocks, Rows = Parameters.Rows;

    // The matrix; support, inverses; scratch.
    private const int MemorySize = (((Rows * RowVectors) + (2 * SlicedField.Vectors) + SlicedField.ScratchVectors) * 32) + (4 * 64);

    /// <summary>Computes the public key.</summary>
    /// <param name="goppa">The Goppa polynomial's t + 1 coefficients.</param>
    /// <param name="support">The first n elements are the code's support.</param>
    /// <param name="publicKey">Receives the public key, <see cref="Parameters.PublicKeySize"/> bytes.</param>
    /// <returns>False where the matrix has no systematic form.</returns>
    public static bool TryCompute(ushort* goppa, ushort* support, Span<byte> publicKey)
    {
        using var memory = new SecretMemory(MemorySize);
        Vector256<ulong>* matrix = memory.Take<Vector256<ulong>>(Rows * RowVectors);
        Vector256<ulong>* points = memory.Take<Vector256<ulong>>(SlicedField.Vectors);
        Vector256<ulong>* elements = memory.Take<Vector256<ulong>>(SlicedField.Vectors);
        Vector256<ulong>* scratch = memory.Take<Vector256<ulong>>(SlicedField.ScratchVectors);
        SlicedField.Slice(support, points);
        SlicedField.Evaluate(goppa, points, elements, scratch);
        for (int block = 0; block < SlicedField.Vectors; block += Parameters.M)
        {
            SlicedField.Invert(elements + block, elements + block, scratch);
            Vector256<ulong>* row = matrix + (block / Parameters.M);
            for (int power = 0; power < Parameters.T; power++)
            {
                for (int k = 0; k < Parameters.M; k++, row += RowVectors)
                    *row = elements[block + k];
                SlicedField.Multiply(elements + block, points + block, elements + block, scratch);
            }
        }
        if (!TryEliminate(matrix))
            return false;
        for (int row = 0; row < Rows; row++)
        {
            new ReadOnlySpan<byte>((byte*)(matrix + (row * RowVectors)) + Parameters.SyndromeSize, Parameters.PublicRowSize)
                .CopyTo(publicKey[(row * Parameters.PublicRowSize)..]);
        }
        return true;
    }

    private static bool TryEliminate(Vector256<ulong>* matrix)
    {
        for (int pivot = 0; pivot < Rows; pivot++)
        {
            // Columns left of the pivot are the identity's already, and zero in this row.
            Vector256<ulong>* row = matrix + (pivot * RowVectors);
            int first = pivot / SlicedField.BlockLength;
            for (int other = pivot + 1; other < Rows; other++)
            {
                Vector256<ulong>* from = matrix + (other * RowVectors);
                AddMasked(from, row, first, 0UL - (Bit(from, pivot) & (Bit(row, pivot) ^ 1)));
            }
            if (Bit(row, pivot) == 0)
                return false;
            for (int other = 0; other < Rows; other++)
            {
                if (other != pivot)
                    AddMasked(row, matrix + (other * RowVectors), first, 0UL - Bit(matrix + (other * RowVectors), pivot));
            }
        }
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Bit(Vector256<ulong>* row, int column) => ((ulong*)row)[column / 64] >> (column % 64) & 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddMasked(Vector256<ulong>* from, Vector256<ulong>* to, int first, ulong mask)
    {
        Vector256<ulong> selected = Vector256.Create(mask);
        for (int i = first; i < RowVectors; i++)
            to[i] ^= from[i] & selected;
    }
}
