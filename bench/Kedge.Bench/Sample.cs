using System.Globalization;

namespace Kedge.Bench;

/// <summary>Several measurements of one thing.</summary>
/// <param name="Values">In the order in which they were taken; at least one.</param>
internal sealed record Sample(IReadOnlyList<double> Values)
{
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

    /// <summary>Median, and minimum and maximum in brackets.</summary>
    public string ToString(string format) => string.Format(
        CultureInfo.InvariantCulture, "{0} [{1}..{2}]",
        Median.ToString(format, CultureInfo.InvariantCulture),
        Values.Min().ToString(format, CultureInfo.InvariantCulture),
        Values.Max().ToString(format, CultureInfo.InvariantCulture));
}
