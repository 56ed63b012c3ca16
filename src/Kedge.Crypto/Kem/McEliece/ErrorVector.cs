using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// Error vectors: t of n bits set, which is what a ciphertext hides. Positions are never an index: each is compared with every word's
/// number. That a draw had to be repeated, and how many numbers of it were too great, may show: neither depends on the vector that
/// results.
/// </summary>
internal static unsafe class ErrorVector
{
    private const int Words = Parameters.VectorSize / sizeof(ulong), RowSize = Parameters.PublicRowSize;

    /// <summary>Draws a vector (specification, section 2.3, FixedWeight).</summary>
    /// <param name="vector">Receives the vector, <see cref="Parameters.VectorSize"/> bytes.</param>
    /// <param name="random">Is asked for 384 bytes until they will do.</param>
    public static void Draw(Span<byte> vector, FillRandom random)
    {
        using var memory = new SecretMemory(1024);
        var bytes = new Span<byte>(memory.Take<byte>(4 * Parameters.T), 4 * Parameters.T);
        ushort* positions = memory.Take<ushort>(Parameters.T);
        do
            random(bytes);
        while (!TryChoose(bytes, positions));

        for (int word = 0; word < Words; word++)
        {
            ulong bits = 0;
            for (int i = 0; i < Parameters.T; i++)
                bits |= (1UL << (positions[i] & 63)) & (ulong)((((long)positions[i] >> 6) ^ word) - 1 >> 63);
            BinaryPrimitives.WriteUInt64LittleEndian(vector[(word * sizeof(ulong))..], bits);
        }
    }

    /// <summary>Computes the syndrome by the public key (specification, section 2.4, Encode).</summary>
    /// <param name="vector">The error vector.</param>
    /// <param name="publicKey">The public key.</param>
    /// <param name="syndrome">Receives the syndrome, <see cref="Parameters.SyndromeSize"/> bytes.</param>
    public static void Encode(ReadOnlySpan<byte> vector, ReadOnlySpan<byte> publicKey, Span<byte> syndrome)
    {
        const int Width = 32, Whole = RowSize / Width;
        fixed (byte* key = publicKey, tail = vector[Parameters.SyndromeSize..])
        {
            for (int i = 0; i < Parameters.SyndromeSize; i++)
            {
                int sums = 0;
                for (int bit = 0; bit < 8; bit++)
                {
                    byte* row = key + (((i * 8) + bit) * RowSize);
                    uint last = *(uint*)(row + (Whole * Width)) & *(uint*)(tail + (Whole * Width));
                    Vector256<byte> sum = Vector256.CreateScalar(last).AsByte();
                    for (int offset = 0; offset < Whole * Width; offset += Width)
                        sum ^= Vector256.Load(row + offset) & Vector256.Load(tail + offset);
                    sums |= SlicedField.Parity(sum.AsUInt64()) << bit;
                }
                syndrome[i] = (byte)(vector[i] ^ sums);
            }
        }
    }

    private static bool TryChoose(ReadOnlySpan<byte> bytes, ushort* positions)
    {
        int count = 0;
        for (int i = 0; i < bytes.Length && count < Parameters.T; i += sizeof(ushort))
        {
            int position = BinaryPrimitives.ReadUInt16LittleEndian(bytes[i..]) & Field.Mask;
            if (position < Parameters.N)
                positions[count++] = (ushort)position;
        }
        int equal = 0;
        for (int i = 1; i < count; i++)
        {
            for (int j = 0; j < i; j++)
                equal |= Field.IsZero((ushort)(positions[i] ^ positions[j]));
        }
        return count == Parameters.T && equal == 0;
    }
}
