using System.Runtime.CompilerServices;

namespace Kedge.Crypto.Kem.Kyber;

/// <summary>
/// Arithmetic of Z_q[X]/(X^256 + 1), q = 3329, on spans of 256 signed coefficients (FIPS 203, section 4). Coefficients may be secret:
/// there is no branch, index or division that depends on one. Reductions are Montgomery's and Barrett's, by multiplication and shift.
/// </summary>
internal static class Polynomial
{
    /// <summary>Coefficients of a polynomial.</summary>
    public const int Length = 256;

    /// <summary>The prime modulus.</summary>
    public const int Q = 3329;

    // q^-1 modulo 2^16, signed; 2^16 and 2^32 modulo q; 2^26 / q, rounded.
    private const int QInverse = -3327, Montgomery = 2285, MontgomerySquared = 1353, BarrettFactor = 20159;

    // 128^-1 in Montgomery's form once more: what the inverse transform multiplies by, 2^32 / 128 modulo q.
    private const short InverseLength = 1441;

    // Powers of 17, a primitive 256th root of unity, times 2^16, with the seven bits of the exponent reversed (FIPS 203, appendix A).
    private static readonly short[] Zetas = ComputeZetas();

    /// <summary>Transforms in place; the result is in bit-reversed order and reduced to less than q in magnitude.</summary>
    public static void Ntt(Span<short> polynomial)
    {
        int zetaIndex = 1;
        for (int length = 128; length >= 2; length >>= 1)
        {
            for (int start = 0; start < Length; start += 2 * length)
            {
                short zeta = Zetas[zetaIndex++];
                for (int j = start; j < start + length; j++)
                {
                    short t = MontgomeryReduce(zeta * polynomial[j + length]);
                    polynomial[j + length] = (short)(polynomial[j] - t);
                    polynomial[j] = (short)(polynomial[j] + t);
                }
            }
        }
        Reduce(polynomial);
    }

    /// <summary>Transforms back in place, from products as of <c>MultiplyAdd</c>, whose factor 2^-16 it removes.</summary>
    public static void InverseNtt(Span<short> polynomial)
    {
        int zetaIndex = 127;
        for (int length = 2; length <= 128; length <<= 1)
        {
            for (int start = 0; start < Length; start += 2 * length)
            {
                short zeta = Zetas[zetaIndex--];
                for (int j = start; j < start + length; j++)
                {
                    short t = polynomial[j];
                    polynomial[j] = BarrettReduce((short)(t + polynomial[j + length]));
                    polynomial[j + length] = MontgomeryReduce(zeta * (polynomial[j + length] - t));
                }
            }
        }
        foreach (ref short coefficient in polynomial)
            coefficient = MontgomeryReduce(coefficient * InverseLength);
    }

    /// <summary>Adds the product of two transformed polynomials, times 2^-16, to the sum (FIPS 203, algorithms 11 and 12).</summary>
    public static void MultiplyAdd(ReadOnlySpan<short> a, ReadOnlySpan<short> b, Span<short> sum)
    {
        for (int i = 0; i < Length; i += 4)
        {
            short zeta = Zetas[64 + (i >> 2)];
            MultiplyAdd(a[i], a[i + 1], b[i], b[i + 1], zeta, ref sum[i], ref sum[i + 1]);
            MultiplyAdd(a[i + 2], a[i + 3], b[i + 2], b[i + 3], (short)-zeta, ref sum[i + 2], ref sum[i + 3]);
        }
        Reduce(sum);
    }

    /// <summary>Removes the factor 2^-16 of a product that stays transformed.</summary>
    public static void ToMontgomery(Span<short> polynomial)
    {
        foreach (ref short coefficient in polynomial)
            coefficient = MontgomeryReduce(coefficient * MontgomerySquared);
    }

    /// <summary>Adds to each coefficient of the sum the other's, and reduces.</summary>
    public static void Add(ReadOnlySpan<short> addend, Span<short> sum)
    {
        for (int i = 0; i < Length; i++)
            sum[i] = BarrettReduce((short)(sum[i] + addend[i]));
    }

    /// <summary>Subtracts the difference's content from the minuend, into the difference, and reduces.</summary>
    public static void SubtractFrom(ReadOnlySpan<short> minuend, Span<short> difference)
    {
        for (int i = 0; i < Length; i++)
            difference[i] = BarrettReduce((short)(minuend[i] - difference[i]));
    }

    /// <summary>The representative from 0 to q - 1 of a coefficient above -q and below q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Canonical(short coefficient) => coefficient + ((coefficient >> 15) & Q);

    private static void Reduce(Span<short> polynomial)
    {
        foreach (ref short coefficient in polynomial)
            coefficient = BarrettReduce(coefficient);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(short a0, short a1, short b0, short b1, short zeta, ref short sum0, ref short sum1)
    {
        short high = MontgomeryReduce(MontgomeryReduce(a1 * b1) * zeta);
        sum0 = (short)(sum0 + high + MontgomeryReduce(a0 * b0));
        sum1 = (short)(sum1 + MontgomeryReduce(a0 * b1) + MontgomeryReduce(a1 * b0));
    }

    // The value times 2^-16, above -q and below q, for magnitudes below 2^15 q.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static short MontgomeryReduce(int value) => (short)((value - ((short)(value * QInverse) * Q)) >> 16);

    // The representative of least magnitude.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static short BarrettReduce(short value) => (short)(value - ((((BarrettFactor * value) + (1 << 25)) >> 26) * Q));

    private static short[] ComputeZetas()
    {
        short[] zetas = new short[128];
        for (int i = 0; i < zetas.Length; i++)
        {
            int power = Montgomery;
            for (int bit = 0, square = 17; bit < 7; bit++, square = square * square % Q)
            {
                if ((i >> (6 - bit) & 1) != 0)
                    power = power * square % Q;
            }
            zetas[i] = (short)(power > Q / 2 ? power - Q : power);
        }
        return zetas;
    }
}
