using System.Globalization;
using System.Text.RegularExpressions;

namespace Kedge.Demo;

/// <summary>What ping(8) saw.</summary>
/// <param name="Sent">Echo requests sent.</param>
/// <param name="Received">Echo replies received, duplicates not counted.</param>
/// <param name="Times">The round-trip time of each of these replies, in the order in which they came.</param>
public sealed partial record Ping(int Sent, int Received, IReadOnlyList<TimeSpan> Times)
{
    /// <summary>A patience for where no reply is expected, or another attempt follows.</summary>
    public static readonly TimeSpan Brief = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5); // a busy machine is late, which is not a loss
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.1);

    /// <summary>Whether each request had its reply.</summary>
    public bool AllReceived => Sent > 0 && Received == Sent;

    /// <summary>The mean round-trip time; zero where nothing was received.</summary>
    public TimeSpan Mean => Times.Count == 0 ? default : Times.Aggregate((a, b) => a + b) / Times.Count;

    /// <summary>
    /// The round-trip time that <paramref name="share"/> of the replies took no longer than; zero where nothing was received.
    /// </summary>
    /// <param name="share">0 to 1: 0 is the shortest time, 0.5 the median, 1 the longest.</param>
    public TimeSpan Quantile(double share) =>
        Times.Count == 0 ? default : Times.Order().ElementAt((int)Math.Round(share * (Times.Count - 1)));

    /// <summary>Sends echo requests, ten a second unless told otherwise.</summary>
    /// <param name="from">The host that sends.</param>
    /// <param name="to">An IPv4 or IPv6 address.</param>
    /// <param name="count">How many requests.</param>
    /// <param name="payloadBytes">Bytes after the ICMP header; the packet has 28 more over IPv4, 48 more over IPv6.</param>
    /// <param name="mayFragment">Whether a packet that is too long may be cut, or is an error.</param>
    /// <param name="patience">How long to wait for the last replies, in whole seconds; five unless told otherwise.</param>
    /// <param name="interval">The time from one request to the next, in whole milliseconds.</param>
    public static Ping Run(
        Host from,
        string to,
        int count = 3,
        int payloadBytes = 56,
        bool mayFragment = true,
        TimeSpan? patience = null,
        TimeSpan? interval = null)
    {
        ArgumentNullException.ThrowIfNull(from);
        CommandResult result = from.TryRun(
            "ping", "-n", "-i", (interval ?? Interval).TotalSeconds.ToString("F3", CultureInfo.InvariantCulture),
            "-W", Text((int)(patience ?? Patience).TotalSeconds), "-c", Text(count), "-s", Text(payloadBytes),
            "-M", mayFragment ? "dont" : "do", to);
        Match counts = Counts().Match(result.Output);
        if (!counts.Success)
            throw new CommandException(new Command("ping", to), $"on {from}", result);
        return new(
            int.Parse(counts.Groups[1].ValueSpan, CultureInfo.InvariantCulture),
            int.Parse(counts.Groups[2].ValueSpan, CultureInfo.InvariantCulture),
            [.. Replies().Matches(result.Output).Select(reply => Milliseconds(reply.Groups[1].ValueSpan))]);

        static TimeSpan Milliseconds(ReadOnlySpan<char> text) =>
            TimeSpan.FromMilliseconds(double.Parse(text, CultureInfo.InvariantCulture));

        static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"(\d+) packets transmitted, (\d+) received")]
    private static partial Regex Counts();

    /// <summary>A reply, and not its duplicate.</summary>
    [GeneratedRegex(@"time=([\d.]+) ms$", RegexOptions.Multiline)]
    private static partial Regex Replies();
}
