using System.Globalization;
using System.Text.RegularExpressions;
using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// A transfer by iperf3 that goes on while something else happens, for at most 15 s, and what its receiver says has arrived in each tenth
/// of a second. Whoever started it disposes it, which ends it.
/// </summary>
internal sealed partial class Transfer : IDisposable
{
    /// <summary>The time that each figure is for.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private const double Megabits = 50;
    private static readonly TimeSpan LongestOutage = TimeSpan.FromSeconds(5);

    private readonly RunningProcess _server, _client;

    private Transfer(RunningProcess server, RunningProcess client) => (_server, _client) = (server, client);

    /// <summary>Whether so much has arrived in each tenth of a second so far that it can be said to flow: a tenth of the rate.</summary>
    public IReadOnlyList<bool> Flows =>
    [
        .. Figures().Matches(_server.Output)
            .Where(figure => Number(figure, "to") - Number(figure, "from") < 2 * Interval.TotalSeconds)
            .Select(figure => Number(figure, "rate") >= Megabits * 1000 / 10),
    ];

    /// <summary>Starts to send.</summary>
    /// <param name="from">The host that sends.</param>
    /// <param name="to">The host that receives.</param>
    /// <param name="address">The receiving host's address.</param>
    /// <param name="isUdp">Whether nothing comes back, as it does by TCP.</param>
    public static Transfer Start(Host from, Host to, string address, bool isUdp = false)
    {
        string interval = Interval.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        RunningProcess server = to.Start("iperf3", "-s", "-1", "--forceflush", "-B", address, "-i", interval, "-f", "k");
        server.WaitForLine("Server listening", MeshNetwork.Patience);
        string[] udp = isUdp ? ["-u", "-w", "4M"] : [];
        string rate = string.Create(CultureInfo.InvariantCulture, $"{Megabits}M");
        return new(server, from.Start(["iperf3", "-c", address, "-t", "15", "-b", rate, .. udp]));
    }

    /// <summary>Changes something under a steady transfer from B to A, and counts for how long it stops.</summary>
    /// <param name="pair">A pair that is connected.</param>
    /// <param name="limit">After how long it must flow again.</param>
    /// <param name="change">What happens.</param>
    /// <param name="mustStop">Whether a transfer that does not stop says that nothing has happened.</param>
    /// <param name="isUdp">Whether traffic is one way.</param>
    public static void AssertOutage(NatPair pair, TimeSpan limit, Action change, bool mustStop = true, bool isUdp = false)
    {
        const int Steady = 10;
        using Transfer transfer = Start(pair.B.Host, pair.A.Host, pair.A.Address, isUdp);
        transfer.AwaitFlow();
        int before = transfer.Flows.Count;

        change();

        // It is back when it has flowed for a second; one that need not stop is watched for as long as it might take.
        int watched = mustStop ? Steady : (int)((LongestOutage + TimeSpan.FromSeconds(1)) / Interval);
        bool isBack = Wait.TryUntil(IsBack, LongestOutage + TimeSpan.FromSeconds(6));
        // What need not stop may stutter on a machine that has much else to do.
        TimeSpan outage = (mustStop ? After().LastIndexOf(false) + 1 : LongestStop(After())) * Interval;
        string seen = FormattableString.Invariant(
            $"{outage.TotalSeconds:0.0} s; a: {NodePath.Of(pair.A, pair.B)}; b: {NodePath.Of(pair.B, pair.A)}\n{transfer}");
        TestContext.Current.TestOutputHelper?.WriteLine(FormattableString.Invariant($"Away for {outage.TotalSeconds:0.0} s."));
        if (!isBack)
            Assert.Fail($"It does not come back: {seen}{pair.Logs()}");
        if (outage > limit)
            Assert.Fail($"It was away for {seen}{pair.Logs()}");

        static int LongestStop(List<bool> flows)
        {
            int longest = 0, length = 0;
            foreach (bool one in flows)
            {
                length = one ? 0 : length + 1;
                longest = Math.Max(longest, length);
            }
            return longest;
        }

        List<bool> After() => [.. transfer.Flows.Skip(before)];

        bool IsBack()
        {
            List<bool> after = After();
            return after.Count >= watched && (!mustStop || after.Contains(false)) && after.TakeLast(Steady).All(flows => flows);
        }
    }

    /// <summary>Waits until it has flowed for a second.</summary>
    public void AwaitFlow() =>
        Wait.Until(() => Flows.TakeLast(10).Count(flows => flows) == 10, MeshNetwork.Patience, "a steady transfer");

    public override string ToString() =>
        $"{string.Concat(Flows.Select(flows => flows ? '#' : '.'))}\n{_server.Output}{_server.Error}{_client.Output}{_client.Error}";

    public void Dispose()
    {
        _client.Dispose();
        _server.Dispose();
    }

    private static double Number(Match figure, string name) => double.Parse(figure.Groups[name].ValueSpan, CultureInfo.InvariantCulture);

    // The sum at the end has the same form and a longer time.
    [GeneratedRegex(@"^\[ *\d+\] +(?<from>[\d.]+)-(?<to>[\d.]+) +sec .* (?<rate>[\d.]+) Kbits/sec", RegexOptions.Multiline)]
    private static partial Regex Figures();
}
