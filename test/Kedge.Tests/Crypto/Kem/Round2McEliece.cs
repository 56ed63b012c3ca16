using System.Buffers.Binary;
using System.Security.Cryptography;
using Kedge.Crypto.Kem;
using Kedge.Crypto.Kem.McEliece;

namespace Kedge.Tests.Crypto.Kem;

/// <summary>
/// Key generation of mceliece460896 as it was in round 2, which the vectors of the 188-byte form come from: another expansion of the seed,
/// another representation of GF(2^(13 * 96)), so that the same element has another minimal polynomial, and other control bits of the same
/// permutation. Not for secrets.
/// </summary>
internal static class Round2McEliece
{
    private const int T = Parameters.T, SeedSize = 32;

    // y^96 is the sum of these: the degree of a term, and its coefficient.
    private static readonly (int Degree, ushort Coefficient)[] Modulus = [(11, 714), (5, 5296), (4, 728), (0, 5881)];

    /// <summary>Makes a pair of keys. AES-256 in counter mode expands a seed to the element, the order, s and the next seed.</summary>
    public static void GenerateKeyPair(NistGenerator generator, Span<byte> publicKey, Span<byte> secretKey)
    {
        byte[] seed = new byte[SeedSize];
        generator.Fill(seed);
        McElieceSecretKey.Parts parts = McElieceSecretKey.Split(secretKey);
        byte[] counters = new byte[Parameters.GoppaSize + KeyGenerator.OrderSize + Parameters.VectorSize + SeedSize];
        for (int i = 0; i < counters.Length; i += 16)
            BinaryPrimitives.WriteInt32BigEndian(counters.AsSpan(i + 12), i / 16);
        while (true)
        {
            using var aes = Aes.Create();
            aes.Key = seed;
            ReadOnlySpan<byte> expanded = aes.EncryptEcb(counters, PaddingMode.None);
            seed = expanded[^SeedSize..].ToArray();
            ReadOnlySpan<byte> element = expanded[..Parameters.GoppaSize];
            ReadOnlySpan<byte> order = expanded.Slice(Parameters.GoppaSize, KeyGenerator.OrderSize);
            if (MinimalPolynomial(element) is { } goppa && KeyGenerator.TryGenerate(order, goppa, publicKey, parts))
            {
                expanded[^(Parameters.VectorSize + SeedSize)..^SeedSize].CopyTo(parts.Rejection);
                Round2ControlBits.Replace(parts.ControlBits);
                return;
            }
        }
    }

    // Column i of the equations is the element to the power of i; the solution is the combination of them that is its power t.
    private static ushort[]? MinimalPolynomial(ReadOnlySpan<byte> bytes)
    {
        ushort[] element = new ushort[T], power = new ushort[T];
        for (int i = 0; i < T; i++)
            element[i] = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]) & (Parameters.Q - 1));
        power[0] = 1;
        ushort[][] equations = [.. Enumerable.Range(0, T).Select(_ => new ushort[T + 1])];
        for (int i = 0; i <= T; i++)
        {
            for (int row = 0; row < T; row++)
                equations[row][i] = power[row];
            power = Multiply(power, element);
        }
        for (int pivot = 0; pivot < T; pivot++)
        {
            int found = Array.FindIndex(equations, pivot, row => row[pivot] != 0);
            if (found < 0)
                return null;
            (equations[pivot], equations[found]) = (equations[found], equations[pivot]);
            ushort[] normal = [.. equations[pivot].Select(coefficient => Divide(coefficient, equations[pivot][pivot]))];
            equations[pivot] = normal;
            foreach (ushort[] row in equations.Where(row => row != normal))
            {
                ushort factor = row[pivot];
                for (int i = pivot; i <= T; i++)
                    row[i] ^= Multiply(factor, normal[i]);
            }
        }
        return [.. equations.Select(row => row[T]), 1];
    }

    private static ushort[] Multiply(ushort[] a, ushort[] b)
    {
        ushort[] product = new ushort[2 * T];
        for (int i = 0; i < T; i++)
        {
            for (int j = 0; j < T; j++)
                product[i + j] ^= Multiply(a[i], b[j]);
        }
        for (int i = product.Length - 1; i >= T; i--)
        {
            foreach ((int degree, ushort coefficient) in Modulus)
                product[i - T + degree] ^= Multiply(product[i], coefficient);
        }
        return product[..T];
    }

    // GF(2^13), modulo z^13 + z^4 + z^3 + z + 1.
    private static ushort Multiply(ushort a, ushort b)
    {
        int product = 0;
        for (int i = Parameters.M - 1; i >= 0; i--)
        {
            product <<= 1;
            product ^= (product >> Parameters.M) * 0b10_0000_0001_1011;
            product ^= ((b >> i) & 1) * a;
        }
        return (ushort)product;
    }

    private static ushort Divide(ushort a, ushort b)
    {
        // The inverse is the power of 2^13 - 2.
        for (int i = 1; i < Parameters.M; i++)
        {
            b = Multiply(b, b);
            a = Multiply(a, b);
        }
        return a;
    }
}
