using System.Runtime.Intrinsics;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// Batcher's bitonic sorter: which elements are compared depends on their number alone, and comparing and exchanging is a minimum and a
/// maximum, without branch. So the order of secret elements stays secret.
/// </summary>
internal static unsafe class SortingNetwork
{
    private const int Lanes = 4;

    /// <summary>Sorts in ascending order.</summary>
    /// <param name="elements">The elements.</param>
    /// <param name="count">How many: a power of two, 4 at least.</param>
    public static void Sort(long* elements, int count)
    {
        for (int run = 2; run <= count; run *= 2)
        {
            for (int distance = run / 2; distance >= Lanes; distance /= 2)
                ExchangeVectors(elements, count, run, distance);
            for (int distance = Math.Min(run / 2, Lanes / 2); distance > 0; distance /= 2)
                ExchangeLanes(elements, count, run, distance);
        }
    }

    private static void ExchangeVectors(long* elements, int count, int run, int distance)
    {
        for (int start = 0; start < count; start += 2 * distance)
        {
            bool descends = (start & run) != 0;
            long* low = elements + start + (descends ? distance : 0), high = elements + start + (descends ? 0 : distance);
            for (int i = 0; i < distance; i += Lanes)
            {
                Vector256<long> a = Vector256.Load(low + i), b = Vector256.Load(high + i);
                Vector256<long> exchange = Vector256.GreaterThan(a, b) & (a ^ b);
                (a ^ exchange).Store(low + i);
                (b ^ exchange).Store(high + i);
            }
        }
    }

    private static void ExchangeLanes(long* elements, int count, int run, int distance)
    {
        Vector256<long> lane = Vector256.Create(0L, 1, 2, 3);
        Vector256<long> upper = ~Vector256.Equals(lane & Vector256.Create((long)distance), Vector256<long>.Zero);
        for (int i = 0; i < count; i += Lanes)
        {
            Vector256<long> index = lane + Vector256.Create((long)i);
            Vector256<long> descends = ~Vector256.Equals(index & Vector256.Create((long)run), Vector256<long>.Zero);
            Vector256<long> a = Vector256.Load(elements + i), b = distance == 1
                ? Vector256.Shuffle(a, Vector256.Create(1L, 0, 3, 2))
                : Vector256.Shuffle(a, Vector256.Create(2L, 3, 0, 1));

            // The upper of a pair takes the maximum where its run ascends; the lower one where it descends.
            Vector256<long> wrong = Vector256.GreaterThan(a, b) ^ upper ^ descends;
            (a ^ (wrong & (a ^ b))).Store(elements + i);
        }
    }
}
