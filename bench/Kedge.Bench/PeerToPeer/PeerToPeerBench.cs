using System.Diagnostics;
using System.Globalization;
using Kedge.Tests.Discovery.Simulation;

namespace Kedge.Bench.PeerToPeer;

/// <summary>
/// What the discovery of networks without a controller costs: many nodes in memory, on a virtual clock, with 10 to 15 ms between any two, no NAT and
/// no loss. Nothing is signed or verified in it, because the signatures of thousands of nodes would be most of the work. KEDGE_BENCH_NODES says how
/// many nodes, as in <c>100,1000</c>.
/// </summary>
internal static class PeerToPeerBench
{
    private const double Round = 0.25;

    // What the design promises; half as much again is allowed.
    private static readonly Dictionary<(int Nodes, bool InLine), (int Rounds, int Messages, int Kilobytes)> Designed = new()
    {
        [(100, true)] = (4, 100, 93), [(1_000, true)] = (8, 203, 202), [(10_000, true)] = (11, 296, 301),
        [(100, false)] = (3, 100, 98), [(1_000, false)] = (5, 135, 139), [(10_000, false)] = (8, 170, 180),
    };

    public static void Run()
    {
        int[] sizes = [.. (Environment.GetEnvironmentVariable("KEDGE_BENCH_NODES") ?? "100,1000,10000")
            .Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
        Console.WriteLine("All nodes start at once; until any two could find each other, and what a node has sent until then. A round is 0.25 s.");
        Console.WriteLine();
        Console.WriteLine("| nodes, knocks | rounds | messages | KB | sessions a node | registrants of the busiest | found of 500 looked up | s here | designed: rounds, messages, KB |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        foreach (int size in sizes)
        {
            foreach (bool inLine in (bool[])[true, false])
                Start(size, inLine);
        }
        Console.WriteLine();
        Console.WriteLine("Ten minutes later: messages a node and minute.");
        Console.WriteLine();
        Console.WriteLine("| nodes | nobody leaves | 1 % leaves and 1 % moves a minute | found meanwhile |");
        Console.WriteLine("|---|---|---|---|");
        foreach (int size in sizes.Where(size => size <= 1000))
            Steady(size);
        Console.WriteLine();
        Console.WriteLine("Half of the anchors end without a word: who of the others is found.");
        Console.WriteLine();
        Console.WriteLine("| nodes | at once | after 1 minute | after 5 minutes | after 10 minutes |");
        Console.WriteLine("|---|---|---|---|---|");
        foreach (int size in sizes.Where(size => size <= 1000))
            Loss(size);
    }

    private static void Start(int size, bool inLine)
    {
        long started = Stopwatch.GetTimestamp();
        using SimulatedNetwork network = Begin(size, inLine);
        double? seconds = network.RunUntil(() => network.CountUnfindable() == 0, 120);
        (long messages, long bytes, long sessions) = (network.Messages, network.Bytes, network.Sessions);
        double here = Stopwatch.GetElapsedTime(started).TotalSeconds;
        (int rounds, int most, int kilobytes) = Designed.GetValueOrDefault((size, inLine));
        int found = Find(network, 500);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {size:N0}, {(inLine ? "a line" : "random")} | {(seconds is { } s ? (s / Round).ToString("0", CultureInfo.InvariantCulture) : "never")} "
            + $"| {(double)messages / size:0} | {bytes / 1000.0 / size:0} | {2.0 * sessions / size:0.0} "
            + $"| {network.Nodes.Max(node => node.Protocol.Registrants)} | {found} | {here:0} | {rounds}, {most}, {kilobytes} |"));
    }

    private static void Steady(int size)
    {
        using SimulatedNetwork network = Begin(size, inLine: false);
        network.Run(600);
        double quiet = PerMinute(network, 5, () => { }, () => { });
        int found = 0;
        double churn = PerMinute(network, 10, () => network.Churn(Math.Max(size / 100, 1)), () => found += Find(network, 50));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {size:N0} | {quiet:0.0} | {churn:0.0} | {found / 5.0:0.0} % |"));
    }

    // What happens in between does not count, nor does the time that it takes.
    private static double PerMinute(SimulatedNetwork network, int minutes, Action each, Action between)
    {
        long messages = 0;
        for (int i = 0; i < minutes; i++)
        {
            long before = network.Messages;
            each();
            network.Run(60);
            messages += network.Messages - before;
            between();
        }
        return (double)messages / minutes / network.Alive.Count();
    }

    private static void Loss(int size)
    {
        using SimulatedNetwork network = Begin(size, inLine: false);
        network.Run(300);
        HashSet<string> anchors = [.. network.Nodes[0].Protocol.Anchors.Select(anchor => anchor.Name)];
        SimulatedNode[] ending = [.. network.Nodes.Where(node => anchors.Contains(node.Certificate.Name))];
        network.Random.Shuffle(ending);
        foreach (SimulatedNode node in ending.Take(ending.Length / 2))
            node.Stop();
        string[] found = [Share(network), After(network, 60), After(network, 240), After(network, 300)];
        Console.WriteLine($"| {size:N0} | {string.Join(" | ", found)} |");
    }

    private static string After(SimulatedNetwork network, double seconds)
    {
        network.Run(seconds);
        return Share(network);
    }

    private static string Share(SimulatedNetwork network) =>
        string.Create(CultureInfo.InvariantCulture, $"{Find(network, 500) / 5.0:0.0} %");

    // How many of so many look-ups succeed.
    private static int Find(SimulatedNetwork network, int count) => count - network.LookUpAtRandom(count).Count;

    private static SimulatedNetwork Begin(int size, bool inLine)
    {
        var network = new SimulatedNetwork(seed: size, isCheap: true);
        network.Add(size);
        if (inLine)
            network.KnockInLine();
        else
            network.KnockAtRandom();
        return network;
    }
}
