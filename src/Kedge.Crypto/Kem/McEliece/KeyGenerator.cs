using System.Buffers.Binary;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// Makes keys (specification, section 4.3, SeededKeyGen). All of an attempt is secret; that it fails shows, and says nothing of the one
/// that does not.
/// </summary>
internal static unsafe class KeyGenerator
{
    /// <summary>Bytes of random numbers that the support is sorted by.</summary>
    public const int OrderSize = Parameters.Q * sizeof(uint);

    private const int SeedSize = 32, ExpandedSize = Parameters.VectorSize + OrderSize + Parameters.GoppaSize + SeedSize;

    /// <summary>Makes a pair of keys from one draw of 32 bytes.</summary>
    public static void Generate(Span<byte> publicKey, Span<byte> secretKey, FillRandom random)
    {
        using var memory = new SecretMemory(ExpandedSize + (sizeof(ushort) * (Parameters.T + 1)) + 256);
        ushort* goppa = memory.Take<ushort>(Parameters.T + 1);
        var expanded = new Span<byte>(memory.Take<byte>(ExpandedSize), ExpandedSize);
        var seed = new Span<byte>(memory.Take<byte>(SeedSize), SeedSize);
        McElieceSecretKey.Parts parts = McElieceSecretKey.Split(secretKey);
        random(seed);
        while (true)
        {
            Sha3.Shake256([64], seed, expanded);
            seed.CopyTo(parts.Seed);
            expanded[^SeedSize..].CopyTo(seed);
            ReadOnlySpan<byte> order = expanded.Slice(Parameters.VectorSize, OrderSize);
            ReadOnlySpan<byte> element = expanded.Slice(Parameters.VectorSize + OrderSize, Parameters.GoppaSize);
            if (GoppaPolynomial.TryCompute(element, goppa) && TryGenerate(order, new(goppa, Parameters.T + 1), publicKey, parts))
                break;
        }
        expanded[..Parameters.VectorSize].CopyTo(parts.Rejection);
        BinaryPrimitives.WriteUInt64LittleEndian(parts.Columns, uint.MaxValue);
    }

    /// <summary>Tries to make the public key, and of the secret key the Goppa polynomial and the control bits.</summary>
    /// <param name="order">Random, <see cref="OrderSize"/> bytes.</param>
    /// <param name="goppa">The Goppa polynomial's t + 1 coefficients.</param>
    /// <param name="publicKey">Receives the public key.</param>
    /// <param name="parts">Receives the secret key's parts.</param>
    /// <returns>False where other random bytes are to be tried: seven times of ten.</returns>
    public static bool TryGenerate(
        ReadOnlySpan<byte> order, ReadOnlySpan<ushort> goppa, Span<byte> publicKey, McElieceSecretKey.Parts parts)
    {
        using var memory = new SecretMemory((Parameters.Q * (sizeof(long) + (2 * sizeof(ushort)))) + 512);
        ushort* permutation = memory.Take<ushort>(Parameters.Q), support = memory.Take<ushort>(Parameters.Q);
        if (!TrySort(order, permutation, memory.Take<long>(Parameters.Q)))
            return false;
        for (int i = 0; i < Parameters.Q; i++)
            support[i] = Field.Reverse(permutation[i]);
        fixed (ushort* coefficients = goppa)
        {
            if (!ParityCheckMatrix.TryCompute(coefficients, support, publicKey))
                return false;
        }
        for (int i = 0; i < Parameters.T; i++)
            BinaryPrimitives.WriteUInt16LittleEndian(parts.Goppa[(2 * i)..], goppa[i]);
        ControlBits.Compute(permutation, parts.ControlBits);
        return true;
    }

    // The permutation that sorts the numbers, which must differ (FieldOrdering, section 4.2).
    private static bool TrySort(ReadOnlySpan<byte> order, ushort* permutation, long* pairs)
    {
        for (int i = 0; i < Parameters.Q; i++)
            pairs[i] = ((long)BinaryPrimitives.ReadUInt32LittleEndian(order[(i * sizeof(uint))..]) << Parameters.M) | (uint)i;
        SortingNetwork.Sort(pairs, Parameters.Q);
        long equal = 0;
        for (int i = 0; i < Parameters.Q; i++)
        {
            permutation[i] = (ushort)(pairs[i] & Field.Mask);
            if (i > 0)
                equal |= ((pairs[i] ^ pairs[i - 1]) >> Parameters.M) - 1;
        }
        return equal >= 0;
    }
}
