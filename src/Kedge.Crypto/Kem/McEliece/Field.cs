using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// GF(2^13) = F2[z] / (z^13 + z^4 + z^3 + z + 1), sixteen elements at a time, one in each lane. Elements are secret: the operations are
/// shifts, masks and exclusive-ors, the same for all values.
/// </summary>
internal static class Field
{
    /// <summary>Elements in a vector.</summary>
    public const int Lanes = 16;

    /// <summary>The bits of an element.</summary>
    public const ushort Mask = Parameters.Q - 1;

    private const short Modulus = 0b10_0000_0001_1011;

    /// <summary>Lane by lane, the product.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Multiply(Vector256<ushort> a, Vector256<ushort> b)
    {
        Vector256<short> multiplier = a.AsInt16() << (15 - (Parameters.M - 1)), product = Vector256<short>.Zero;
        for (int i = 0; i < Parameters.M; i++)
        {
            // Bit 12, about to be shifted out, stands for the modulus; the multiplier's next bit for b.
            Vector256<short> overflow = Vector256.ShiftRightArithmetic(product << 3, 15);
            product = (product << 1) ^ (overflow & Vector256.Create(Modulus));
            product ^= Vector256.ShiftRightArithmetic(multiplier, 15) & b.AsInt16();
            multiplier <<= 1;
        }
        return product.AsUInt16();
    }

    /// <summary>Lane by lane, the inverse; 0 for 0.</summary>
    public static Vector256<ushort> Invert(Vector256<ushort> a)
    {
        // a to the power of 2^13 - 2, whose binary digits are twelve ones and a zero.
        Vector256<ushort> inverse = a;
        for (int i = 1; i < Parameters.M - 1; i++)
            inverse = Multiply(Multiply(inverse, inverse), a);
        return Multiply(inverse, inverse);
    }

    /// <summary>The sum of all lanes.</summary>
    public static ushort Sum(Vector256<ushort> a)
    {
        Vector128<ulong> half = (a.GetLower() ^ a.GetUpper()).AsUInt64();
        ulong sum = half[0] ^ half[1];
        sum ^= sum >> 32;
        sum ^= sum >> 16;
        return (ushort)sum;
    }

    /// <summary>All ones where the element is 0, else 0.</summary>
    public static ushort IsZero(ushort a) => (ushort)((a - 1) >> 31);

    /// <summary>The element with its 13 bits in reverse order.</summary>
    public static ushort Reverse(ushort a)
    {
        int reversed = 0;
        for (int i = 0; i < Parameters.M; i++)
            reversed |= ((a >> i) & 1) << (Parameters.M - 1 - i);
        return (ushort)reversed;
    }
}
