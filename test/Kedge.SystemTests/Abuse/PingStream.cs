using System.Globalization;
using System.Text.RegularExpressions;
using Kedge.Demo;

namespace Kedge.SystemTests.Abuse;

/// <summary>Twenty echo requests a second, for as long as the topology stands: the traffic that must go on whatever else happens.</summary>
internal sealed partial class PingStream(Host from, string to)
{
    private readonly RunningProcess _process = from.Start("ping", "-n", "-i", "0.05", to);

    /// <summary>The highest number of a request that was answered.</summary>
    public int Last => Answered().DefaultIfEmpty(0).Max();

    /// <summary>How many answers came a second time.</summary>
    public int Duplicates => _process.Output.Split('\n').Count(line => line.Contains("DUP!", StringComparison.Ordinal));

    /// <summary>
    /// How many requests there were after number <paramref name="mark"/>, up to the last one answered, and how many of them were not.
    /// </summary>
    public (int Sent, int Lost) Since(int mark)
    {
        int[] answered = [.. Answered().Where(number => number > mark).Distinct()];
        int sent = answered.DefaultIfEmpty(mark).Max() - mark;
        return (sent, sent - answered.Length);
    }

    private IEnumerable<int> Answered() =>
        Answer().Matches(_process.Output).Select(match => int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"bytes from .* icmp_seq=(\d+)")]
    private static partial Regex Answer();
}
