namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// Beneš networks: the control bits that make one perform a permutation, by the formulas of "Verified fast formulas for control bits for
/// permutation networks" (Bernstein, 2020), and their application. Permutation and bits are secret: permutations are composed and
/// inverted by <see cref="SortingNetwork"/>, exchanges are masked, and which elements meet depends on their number alone.
/// </summary>
internal static unsafe class ControlBits
{
    // Seven permutations at each level of the recursion, which halves them, and the pairs to sort.
    private const int MemorySize = Parameters.Q * ((14 * sizeof(ushort)) + sizeof(long));

    private const int Shift = 16;
    private const long Low = (1 << Shift) - 1;

    /// <summary>Computes the control bits of a permutation of the numbers below 2^13.</summary>
    /// <param name="permutation">The permutation.</param>
    /// <param name="bits">Receives the bits, <see cref="Parameters.ControlBitsSize"/> bytes.</param>
    public static void Compute(ushort* permutation, Span<byte> bits)
    {
        bits.Clear();
        using var memory = new SecretMemory(MemorySize);
        long* sorter = memory.Take<long>(Parameters.Q);
        fixed (byte* output = bits)
            Compute(permutation, Parameters.M, output, 0, 1, sorter, memory.Take<ushort>(Parameters.Q * 14));
    }

    /// <summary>Sends the field's elements, in bit-reversed order, through the network (specification, section 2.5).</summary>
    /// <param name="bits">The control bits.</param>
    /// <param name="elements">Receives the 2^13 elements: the support is the first n.</param>
    public static void PermuteField(ReadOnlySpan<byte> bits, ushort* elements)
    {
        for (int i = 0; i < Parameters.Q; i++)
            elements[i] = Field.Reverse((ushort)i);
        for (int layer = 0; layer < (2 * Parameters.M) - 1; layer++)
        {
            int distance = 1 << Math.Min(layer, (2 * Parameters.M) - 2 - layer);
            ReadOnlySpan<byte> layerBits = bits.Slice(layer * Parameters.Q / 16, Parameters.Q / 16);
            for (int i = 0, pair = 0; i < Parameters.Q; i += 2 * distance)
            {
                for (int j = i; j < i + distance; j++, pair++)
                {
                    ushort mask = (ushort)-((layerBits[pair >> 3] >> (pair & 7)) & 1);
                    ushort exchange = (ushort)((elements[j] ^ elements[j + distance]) & mask);
                    elements[j] ^= exchange;
                    elements[j + distance] ^= exchange;
                }
            }
        }
    }

    // pi permutes 2^m numbers. Its bits go to position, position + step, ... of the output; names of variables are those of the paper.
    private static void Compute(ushort* pi, int m, byte* output, int position, int step, long* sorter, ushort* memory)
    {
        int n = 1 << m;
        if (m == 1)
        {
            Put(output, position, pi[0]);
            return;
        }
        ushort* p = memory, q = p + n, inverse = q + n, c = inverse + n, cp = c + n, fpi = cp + n, subM = fpi + n;
        for (int x = 0; x < n; x++)
        {
            p[x] = pi[x ^ 1];
            q[x] = (ushort)(pi[x] ^ 1);
            cp[x] = (ushort)x;
        }
        ComposeInverse(cp, pi, inverse, n, sorter);
        ComposeInverses(p, q, fpi, n, sorter);
        for (int x = 0; x < n; x++)
            c[x] = Minimum((ushort)x, p[x]);
        ComposeInverses(p, q, fpi, n, sorter);
        for (int i = 1; i < m - 1; i++)
        {
            ComposeInverse(c, q, cp, n, sorter);
            ComposeInverses(p, q, fpi, n, sorter);
            for (int x = 0; x < n; x++)
                c[x] = Minimum(c[x], cp[x]);
        }

        int last = position + (((2 * m) - 2) * step * (n / 2));
        for (int j = 0; j < n / 2; j++)
        {
            int f = c[2 * j] & 1;
            Put(output, position + (j * step), f);
            p[2 * j] = (ushort)((2 * j) ^ f);
            p[(2 * j) + 1] = (ushort)((2 * j) ^ 1 ^ f);
        }
        ComposeInverse(p, inverse, fpi, n, sorter);
        for (int k = 0; k < n / 2; k++)
        {
            int l = fpi[2 * k] & 1;
            Put(output, last + (k * step), l);
            q[2 * k] = (ushort)((2 * k) ^ l);
            q[(2 * k) + 1] = (ushort)((2 * k) ^ 1 ^ l);
        }
        ComposeInverse(fpi, q, p, n, sorter);
        for (int j = 0; j < n / 2; j++)
        {
            subM[j] = (ushort)(p[2 * j] >> 1);
            subM[(n / 2) + j] = (ushort)(p[(2 * j) + 1] >> 1);
        }
        int middle = position + (step * (n / 2));
        for (int half = 0; half < 2; half++)
            Compute(subM + (half * n / 2), m - 1, output, middle + (half * step), 2 * step, sorter, subM + n);
    }

    // result[y] = c[x] where permutation[x] = y.
    private static void ComposeInverse(ushort* c, ushort* permutation, ushort* result, int n, long* sorter)
    {
        for (int x = 0; x < n; x++)
            sorter[x] = ((long)permutation[x] << Shift) | c[x];
        SortingNetwork.Sort(sorter, n);
        for (int x = 0; x < n; x++)
            result[x] = (ushort)(sorter[x] & Low);
    }

    // Both p and q, each composed with the inverse of the other. There is room for n numbers at scratch.
    private static void ComposeInverses(ushort* p, ushort* q, ushort* scratch, int n, long* sorter)
    {
        for (int x = 0; x < n; x++)
            sorter[x] = ((long)q[x] << Shift) | p[x];
        new Span<ushort>(p, n).CopyTo(new Span<ushort>(scratch, n));
        SortingNetwork.Sort(sorter, n);
        for (int x = 0; x < n; x++)
            p[x] = (ushort)(sorter[x] & Low);
        ComposeInverse(q, scratch, q, n, sorter);
    }

    private static ushort Minimum(ushort a, ushort b) => (ushort)(a ^ ((a ^ b) & ((b - a) >> 31)));

    private static void Put(byte* output, int position, int bit) => output[position >> 3] |= (byte)(bit << (position & 7));
}
