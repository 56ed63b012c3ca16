using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// Makes the Goppa polynomial: the minimal polynomial over GF(2^13) of an element of GF(2^13)[y] / (y^96 + y^10 + y^9 + y^6 + 1)
/// (specification, section 4.1, Irreducible). All is secret; only whether there is one shows.
/// </summary>
internal static unsafe class GoppaPolynomial
{
    private const int T = Parameters.T, Columns = T / Field.Lanes;

    // Powers of the element, from 0 to t: rows of t coefficients.
    private const int MemorySize = ((T + 1) * T * sizeof(ushort)) + (3 * T * sizeof(ushort)) + 128;

    /// <summary>Computes the minimal polynomial of an element.</summary>
    /// <param name="element">The element, 192 bytes: t coefficients, of whose two bytes each the upper three bits are ignored.</param>
    /// <param name="coefficients">Receives the t + 1 coefficients, that of degree 0 first and 1 last.</param>
    /// <returns>False where it has a lower degree than t.</returns>
    public static bool TryCompute(ReadOnlySpan<byte> element, ushort* coefficients)
    {
        using var memory = new SecretMemory(MemorySize);
        ushort* powers = memory.Take<ushort>((T + 1) * T), product = memory.Take<ushort>(3 * T);
        powers[0] = 1;
        for (int i = 0; i < T; i++)
            powers[T + i] = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(element[(2 * i)..]) & Field.Mask);
        for (int power = 2; power <= T; power++)
            Multiply(powers + ((power - 1) * T), powers + T, powers + (power * T), product);
        return TrySolve(powers, coefficients, (Vector256<ushort>*)product);
    }

    private static void Multiply(ushort* a, ushort* b, ushort* result, ushort* product)
    {
        new Span<ushort>(product, 2 * T).Clear();
        for (int i = 0; i < T; i++)
        {
            Vector256<ushort> factor = Vector256.Create(a[i]);
            for (int j = 0; j < T; j += Field.Lanes)
                (Vector256.Load(product + i + j) ^ Field.Multiply(factor, Vector256.Load(b + j))).Store(product + i + j);
        }
        for (int i = (2 * T) - 2; i >= T; i--)
        {
            product[i - T + 10] ^= product[i];
            product[i - T + 9] ^= product[i];
            product[i - T + 6] ^= product[i];
            product[i - T] ^= product[i];
        }
        new Span<ushort>(product, T).CopyTo(new Span<ushort>(result, T));
    }

    // Finds the combination of powers 0 to t - 1 that gives power t. Column operations on the matrix whose rows are powers: a vector holds
    // one power's coefficients, so that eliminating a coefficient of all powers is a multiplication by a row's multipliers. There is room
    // for one row at pivots.
    private static bool TrySolve(ushort* powers, ushort* coefficients, Vector256<ushort>* pivots)
    {
        for (int j = 0; j < T; j++)
        {
            ushort* row = powers + (j * T);
            for (int k = j + 1; k < T; k++)
            {
                ushort mask = Field.IsZero(row[j]);
                for (int i = j; i <= T; i++)
                    powers[(i * T) + j] ^= (ushort)(powers[(i * T) + k] & mask);
            }
            if (row[j] == 0)
                return false;
            ushort inverse = Field.Invert(Vector256.Create(row[j]))[0];
            for (int column = 0; column < Columns; column++)
                pivots[column] = Vector256.Load(row + (column * Field.Lanes));

            // Column j becomes c / pivot, and each other column k gains row[k] times that.
            ((ushort*)pivots)[j] = 0;
            for (int i = j; i <= T; i++)
            {
                ushort* other = powers + (i * T);
                ushort scaled = Field.Multiply(Vector256.Create(other[j]), Vector256.Create(inverse))[0];
                for (int column = 0; column < Columns; column++)
                {
                    ushort* at = other + (column * Field.Lanes);
                    (Vector256.Load(at) ^ Field.Multiply(pivots[column], Vector256.Create(scaled))).Store(at);
                }
                other[j] = scaled;
            }
        }
        new Span<ushort>(powers + (T * T), T).CopyTo(new Span<ushort>(coefficients, T));
        coefficients[T] = 1;
        return true;
    }
}
