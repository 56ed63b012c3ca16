using System.Globalization;
using System.Text.RegularExpressions;

namespace Kedge.Demo;

/// <summary>What ping(8) saw.</summary>
/// <param name="Sent">Echo requests sent.</param>
/// <param name="Received">Echo replies received, duplicates not counted.</param>
/// <param name="Mean">The mean round-trip time; zero where nothing was received.</param>
public sealed partial record Ping(int Sent, int Received, TimeSpan Mean)
{
    /// <summary>A patience for where no reply is expected, or another attempt follows.</summary>
    public static readonly TimeSpan Brief = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5); // a busy machine is late, which is not a loss

    /// <summary>Whether each request had its reply.</summary>
    public bool AllReceived => Sent > 0 && Received == Sent;

    /// <summary>Sends echo requests, ten a second.</summary>
    /// <param name="from">The host that sends.</param>
    /// <param name="to">An IPv4 or IPv6 address.</param>
    /// <param name="count">How many requests.</param>
    /// <param name="payloadBytes">Bytes after the ICMP header; the packet has 28 more over IPv4, 48 more over IPv6.</param>
    /// <param name="mayFragment">Whether a packet that is too long may be cut, or is an error.</param>
    /// <param name="patience">How long to wait for the last replies, in whole seconds; five unless told otherwise.</param>
    public static Ping Run(
        Host from, string to, int count = 3, int payloadBytes = 56, bool mayFragment = true, TimeSpan? patience = null)
    {
        ArgumentNullException.ThrowIfNull(from);
        CommandResult result = from.TryRun(
            "ping", "-n", "-q", "-i", "0.1", "-W", Text((int)(patience ?? Patience).TotalSeconds), "-c", Text(count), "-s", Text(payloadBytes),
            "-M", mayFragment ? "dont" : "do", to);
        Match counts = Counts().Match(result.Output);
        if (!counts.Success)
            throw new CommandException(new Command("ping", to), $"on {from}", result);
        Match times = Times().Match(result.Output);
        double milliseconds = times.Success ? double.Parse(times.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : 0;
        return new(
            int.Parse(counts.Groups[1].ValueSpan, CultureInfo.InvariantCulture),
            int.Parse(counts.Groups[2].ValueSpan, CultureInfo.InvariantCulture),
            TimeSpan.FromMilliseconds(milliseconds));

        static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"(\d+) packets transmitted, (\d+) received")]
    private static partial Regex Counts();

    [GeneratedRegex(@"rtt min/avg/max/mdev = [\d.]+/([\d.]+)/")]
    private static partial Regex Times();
}
