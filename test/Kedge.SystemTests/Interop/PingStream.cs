using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>Pings that go on while something else happens, and what came of each. Whoever started it disposes it.</summary>
internal sealed partial class PingStream : IDisposable
{
    private readonly RunningProcess _ping;

    private PingStream(RunningProcess ping) => _ping = ping;

    /// <summary>The numbers of the requests that were answered so far, each once, in the order of the replies.</summary>
    public IReadOnlyList<int> Answered =>
        [.. Replies().Matches(_ping.Output).Select(match => int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)).Distinct()];

    /// <summary>The numbers of the requests that were not answered, although later ones were.</summary>
    public IReadOnlyList<int> Lost
    {
        get
        {
            IReadOnlyList<int> answered = Answered;
            return [.. Enumerable.Range(1, answered.DefaultIfEmpty().Max()).Except(answered)];
        }
    }

    /// <summary>Starts to send echo requests.</summary>
    /// <param name="from">The host that sends.</param>
    /// <param name="to">An IPv4 or IPv6 address.</param>
    /// <param name="interval">Seconds between two requests.</param>
    /// <param name="source">The address to send from; null lets the kernel choose.</param>
    /// <param name="payloadBytes">Bytes after the ICMP header.</param>
    public static PingStream Start(Host from, string to, double interval = 0.1, string? source = null, int payloadBytes = 56)
    {
        string[] options = source is null ? [] : ["-I", source];
        return new(from.Start(["stdbuf", "-oL", "ping", "-n", "-W", "1", "-i", Text(interval), "-s", Text(payloadBytes), .. options, to]));

        static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Waits for replies to requests that no reply has come to yet.</summary>
    /// <returns>How long the first of them took to come.</returns>
    /// <exception cref="TimeoutException">They did not come.</exception>
    public TimeSpan WaitForReplies(TimeSpan timeout, int count = 3)
    {
        int before = Answered.Count;
        long start = Stopwatch.GetTimestamp();
        Wait.Until(() => Answered.Count > before, timeout, "a reply");
        TimeSpan taken = Stopwatch.GetElapsedTime(start);
        Wait.Until(() => Answered.Count >= before + count, Timeouts.Soon, $"{count} replies");
        return taken;
    }

    public void Dispose() => _ping.Dispose();

    [GeneratedRegex(@"bytes from .* icmp_seq=(\d+) ")]
    private static partial Regex Replies();
}
