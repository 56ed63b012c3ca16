using Kedge.Crypto.Kem.McEliece;

namespace Kedge.Tests.Crypto.Kem;

/// <summary>
/// The control bits that round 2 made of a permutation: of the two settings that each loop of switches has, round 4 takes the one that
/// leaves the loop's smallest input in its place, round 2 the one that does so for the input with the smallest number or source. Not for
/// secrets.
/// </summary>
internal static class Round2ControlBits
{
    /// <summary>Replaces control bits as of round 4 by those of round 2.</summary>
    public static void Replace(Span<byte> bits)
    {
        bool[] switches = Compute(PermutationOf(bits));
        bits.Clear();
        for (int i = 0; i < switches.Length; i++)
            bits[i >> 3] |= (byte)((switches[i] ? 1 : 0) << (i & 7));
    }

    private static int[] PermutationOf(ReadOnlySpan<byte> bits)
    {
        const int Layers = (2 * Parameters.M) - 1;
        int[] numbers = [.. Enumerable.Range(0, Parameters.Q)];
        for (int layer = 0, next = 0; layer < Layers; layer++)
        {
            int distance = 1 << Math.Min(layer, Layers - 1 - layer);
            foreach (int i in Enumerable.Range(0, Parameters.Q).Where(i => (i & distance) == 0))
            {
                if (((bits[next >> 3] >> (next & 7)) & 1) == 1)
                    (numbers[i], numbers[i + distance]) = (numbers[i + distance], numbers[i]);
                next++;
            }
        }
        return numbers;
    }

    // The switches of the first layer, those of the two smaller networks in turns, those of the last layer.
    private static bool[] Compute(int[] permutation)
    {
        int n = permutation.Length;
        if (n == 2)
            return [permutation[0] == 1];
        int[] sources = new int[n];
        for (int i = 0; i < n; i++)
            sources[permutation[i]] = i;
        int[] leaders = Leaders(permutation, sources);
        bool[] first = new bool[n / 2], last = new bool[n / 2];
        for (int i = 0; i < n / 2; i++)
            first[i] = leaders[(2 * i) + 1] < leaders[2 * i];
        int Switched(int i) => first[i / 2] ? i ^ 1 : i;
        for (int i = 0; i < n / 2; i++)
            last[i] = (Switched(permutation[2 * i]) & 1) == 1;

        int[] Half(int parity) =>
            [.. Enumerable.Range(0, n / 2).Select(i => Switched(permutation[last[i] ? (2 * i) + (parity ^ 1) : (2 * i) + parity]) / 2)];
        bool[] even = Compute(Half(0)), odd = Compute(Half(1));
        return [.. first, .. even.Zip(odd, (a, b) => new[] { a, b }).SelectMany(pair => pair), .. last];
    }

    // Of each input, the smallest number or source of those that must be set as it is; where that is the same, the smallest number decides.
    private static int[] Leaders(int[] permutation, int[] sources)
    {
        int[] leaders = new int[permutation.Length];
        Array.Fill(leaders, -1);
        for (int start = 0; start < leaders.Length; start++)
        {
            List<int> loop = [];
            for (int i = start; leaders[i] < 0; i = permutation[sources[i ^ 1] ^ 1])
            {
                leaders[i] = start;
                loop.Add(i);
            }
            if (loop.Count == 0)
                continue;
            int leader = (loop.Min(i => Math.Min(i, sources[i])) * permutation.Length) + start;
            loop.ForEach(i => leaders[i] = leader);
        }
        return leaders;
    }
}
