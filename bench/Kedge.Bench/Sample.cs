using System.Diagnostics;
using System.Globalization;

namespace Kedge.Bench;

/// <summary>Several measurements of one thing.</summary>
/// <param name="Values">In the order in which they were taken; at least one.</param>
internal sealed record Sample(IReadOnlyList<double> Values)
{
    /// <summary>How many rounds <see cref="OfNanoseconds"/> takes.</summary>
    public const int Rounds = 9;

    private static readonly TimeSpan RoundTime = TimeSpan.FromMilliseconds(30);

    // Long enough for the runtime to compile again, and better, what it sees called often.
    private static readonly TimeSpan WarmUpTime = TimeSpan.FromMilliseconds(150);

    /// <summary>The value in the middle: what a noisy machine distorts least.</summary>
    public double Median
    {
        get
        {
            double[] sorted = [.. Values.Order()];
            int middle = sorted.Length / 2;
            return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        }
    }

    /// <summary>Nanoseconds an item, in nine rounds of batches of <paramref name="batchSize"/> items.</summary>
    public static Sample OfNanoseconds(int batchSize, Action batch)
    {
        var values = new double[Rounds];
        long warm = Stopwatch.GetTimestamp();
        do
            batch();
        while (Stopwatch.GetElapsedTime(warm) < WarmUpTime);
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            int batches = 0;
            for (; Stopwatch.GetElapsedTime(start) < RoundTime; batches++)
                batch();
            values[round] = Stopwatch.GetElapsedTime(start).TotalNanoseconds / batches / batchSize;
        }
        return new Sample(values);
    }

    /// <summary>Nanoseconds that an operation takes, each of so many times, after one that does not count.</summary>
    public static Sample OfEach(int count, Action operation)
    {
        var values = new double[count];
        operation();
        for (int i = 0; i < count; i++)
        {
            long start = Stopwatch.GetTimestamp();
            operation();
            values[i] = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
        }
        return new Sample(values);
    }

    /// <summary>Median, and minimum and maximum in brackets.</summary>
    public string ToString(string format) => string.Format(
        CultureInfo.InvariantCulture, "{0} [{1}..{2}]",
        Median.ToString(format, CultureInfo.InvariantCulture),
        Values.Min().ToString(format, CultureInfo.InvariantCulture),
        Values.Max().ToString(format, CultureInfo.InvariantCulture));
}
