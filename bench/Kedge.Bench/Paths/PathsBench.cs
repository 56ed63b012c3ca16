using System.Diagnostics;
using System.Globalization;
using Kedge.Demo;
using Kedge.Demo.Mesh;
using Kedge.Demo.Nat;

namespace Kedge.Bench.Paths;

/// <summary>
/// How soon a node that has just joined reaches another one: from its line <c>is up</c> to the first answer of a ping that is started then.
/// Each round has two new nodes in a zone of their own, behind gateways of their own. KEDGE_BENCH_ROUNDS says how many rounds there are,
/// KEDGE_BENCH_LOGS a folder for what the nodes have logged, and
/// KEDGE_BENCH_ROWS words, separated by semicolons, one of which a row's name must contain; those of the two tables behind it are 'relays
/// compared' and 'sizes'.
/// </summary>
internal static class PathsBench
{
    private const string Prefix = "10.61.0.0/24";

    // Longer than this is not late, but never.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    private static readonly IReadOnlyList<Scene> Scenes =
    [
        new("one LAN", TimeSpan.FromSeconds(0.5), AddPublic, AddPublic),
        new("two port-restricted NATs", TimeSpan.FromSeconds(1.5), AddBehindNat, AddBehindNat),
        new("a new peer to a node behind a port-restricted NAT", TimeSpan.FromSeconds(1.5), AddBehindNat, AddPublic),
        new("a new peer behind a port-restricted NAT", TimeSpan.FromSeconds(1.5), AddPublic, AddBehindNat),
        new("two port-restricted NATs whose routers accept in INPUT", TimeSpan.FromSeconds(1.5), AddBehindAccepting, AddBehindAccepting),
        new("two symmetric NATs, by a relay", TimeSpan.FromSeconds(3), AddBehindSymmetric, AddBehindSymmetric) { HasRelay = true },
    ];

    public static void Run()
    {
        string program = Environment.GetEnvironmentVariable("KEDGE_PROGRAM") ?? Path.Combine(Repository.Root(), "out", "kedge");
        int rounds = int.Parse(Environment.GetEnvironmentVariable("KEDGE_BENCH_ROUNDS") ?? "9", CultureInfo.InvariantCulture);
        Console.WriteLine(
            $"Seconds from 'is up' to the first answered ping, medians of {rounds} rounds [min..max]; "
            + $"controller and nodes on this machine's {Environment.ProcessorCount} cores.");
        Console.WriteLine();
        Console.WriteLine("| | to the first answer, s | to reach, s | path | `kedge up` until 'is up', s |");
        Console.WriteLine("|---|---|---|---|---|");
        int failed = 0;
        foreach (Scene scene in Scenes.Where(scene => IsWanted(scene.Name)))
        {
            Round[] measured = Measure(scene, program, rounds);
            failed += measured.Count(round => round.Answered == Patience);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {scene.Name} | {Seconds(measured.Select(round => round.Answered))} | {scene.Limit.TotalSeconds} "
                + $"| {string.Join(", ", measured.CountBy(round => round.State).Select(state => $"{state.Value} {state.Key}"))} "
                + $"| {Seconds(measured.Select(round => round.Up))} |"));
        }
        if (IsWanted("relays compared"))
            RelayBench.Run(program, rounds);
        if (IsWanted("sizes"))
            SmallUnderlayBench.Run(program, rounds);
        if (failed > 0)
            throw new InvalidOperationException($"In {failed} rounds there was no answer within {Patience.TotalSeconds} s.");
    }

    private static bool IsWanted(string name) =>
        (Environment.GetEnvironmentVariable("KEDGE_BENCH_ROWS") ?? "").Split(';').Any(word => name.Contains(word, StringComparison.Ordinal));

    private static Round[] Measure(Scene scene, string program, int rounds)
    {
        using var net = Topology.Create();
        var internet = new Internet(net.AddSwitch("internet"));
        var place = new Place(net, internet);
        Host controllerHost = AddPublic(place, "controller");
        var controller = DemoController.Start(controllerHost, program, "192.0.2.1");
        var measured = new Round[rounds];
        for (int round = 0; round < rounds; round++)
            measured[round] = Measure(scene, place, controller, program, string.Create(CultureInfo.InvariantCulture, $"{round + 1}"));
        return measured;
    }

    private static Round Measure(Scene scene, Place place, DemoController controller, string program, string number)
    {
        string zone = $"zone{number}";
        controller.Administer("zone", "create", zone, "--prefix", Prefix);
        DemoNode? relay = scene.HasRelay ? DemoNode.JoinRelay(AddPublic(place, $"r{number}"), program, controller, zone) : null;
        relay?.Process.WaitForLine("is up: node", Patience);
        DemoNode first = DemoNode.Join(scene.AddFirst(place, $"a{number}"), program, controller, zone, Logging());
        first.Process.WaitForLine("is up: node", Patience);
        string address = controller.Addresses(zone)[first.Host.Label];

        Host host = scene.AddSecond(place, $"b{number}");
        DemoNode second = DemoNode.Join(host, program, controller, zone, Logging());
        long start = Stopwatch.GetTimestamp();
        second.Process.WaitForLine("is up: node", Patience);
        TimeSpan up = Stopwatch.GetElapsedTime(start);
        start = Stopwatch.GetTimestamp();
        // From now on, also while there is no answer: what a person who types it would see.
        using RunningProcess ping = host.Start("ping", "-n", "-i", "0.05", "-W", "1", address);
        bool isAnswered = Wait.TryUntil(() => ping.Output.Contains("bytes from", StringComparison.Ordinal), Patience);
        TimeSpan answered = isAnswered ? Stopwatch.GetElapsedTime(start) : Patience;
        ping.Stop();
        string state = second.PathStates().GetValueOrDefault(first.Host.Label, "unknown");
        Keep(first, scene, answered);
        Keep(second, scene, answered);
        first.Down();
        second.Down();
        relay?.Down();
        return new Round(up, answered, state);
    }

    private static string? LogFolder => Environment.GetEnvironmentVariable("KEDGE_BENCH_LOGS") is { Length: > 0 } folder ? folder : null;

    private static string[] Logging() => LogFolder is null ? [] : ["--log-level", "verbose"];

    private static void Keep(DemoNode node, Scene scene, TimeSpan answered)
    {
        if (LogFolder is not { } folder)
            return;
        string name = string.Create(
            CultureInfo.InvariantCulture, $"{scene.Name.Replace(' ', '-')}-{node.Host}-{answered.TotalMilliseconds:0}ms.log");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, name), node.Process.Output + node.Process.Error);
    }

    private static Host AddPublic(Place place, string label)
    {
        Host host = place.Net.AddHost(label);
        place.Internet.Attach(host, ++place.LastNumber);
        return host;
    }

    private static Host AddBehindNat(Place place, string label) => place.Internet.AddGateway($"{label}-home").AddHost(label);

    private static Host AddBehindAccepting(Place place, string label) =>
        place.Internet.AddGateway($"{label}-home", new() { AcceptsInInput = true }).AddHost(label);

    private static Host AddBehindSymmetric(Place place, string label) =>
        place.Internet.AddGateway($"{label}-home", new() { Kind = NatKind.SymmetricRandom }).AddHost(label);

    private static string Seconds(IEnumerable<TimeSpan> times) => new Sample([.. times.Select(time => time.TotalSeconds)]).ToString("0.00");

    /// <summary>Two places for nodes.</summary>
    /// <param name="Name">What it is called in the table.</param>
    /// <param name="Limit">How soon there is to be an answer.</param>
    /// <param name="AddFirst">Adds the machine of the node that is there.</param>
    /// <param name="AddSecond">Adds the machine of the node that joins and pings.</param>
    private sealed record Scene(string Name, TimeSpan Limit, Func<Place, string, Host> AddFirst, Func<Place, string, Host> AddSecond)
    {
        /// <summary>Whether the zone has a relay.</summary>
        public bool HasRelay { get; init; }
    }

    /// <summary>Where hosts are added.</summary>
    private sealed class Place(Topology net, Internet internet)
    {
        public Topology Net { get; } = net;

        public Internet Internet { get; } = internet;

        /// <summary>The number of the last host with a public address.</summary>
        public int LastNumber { get; set; }
    }

    /// <summary>What one round has shown.</summary>
    /// <param name="Up">How long <c>kedge up</c> took until it said that it was up.</param>
    /// <param name="Answered">How long it then took until a ping was answered.</param>
    /// <param name="State">What the node then said of the path.</param>
    private readonly record struct Round(TimeSpan Up, TimeSpan Answered, string State);
}
