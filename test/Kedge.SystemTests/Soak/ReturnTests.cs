using System.Diagnostics;
using System.Globalization;
using Kedge.Demo;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Api;
using Kedge.Protocol.Enrolment;
using Kedge.SystemTests.Control;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.SystemTests.Soak;

/// <summary>
/// Many nodes that lose their controller at one moment: whole control links, though without node processes, and a real controller.
/// </summary>
[Trait("Category", "Soak")]
public sealed class ReturnTests : IAsyncDisposable
{
    private const int Nodes = 200, Zones = 10, JoiningAtOnce = 20;
    private const int HandshakesPerSecond = 50;
    private static readonly TimeSpan BackWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SampleInterval = TimeSpan.FromMilliseconds(50);

    private readonly Topology _net = Topology.Create(); // for its folder alone
    private readonly CancellationTokenSource _ending = new();
    private readonly List<ControlLink> _links = [];
    private Task[] _running = [];

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await Task.WhenAll(_running);
        _links.ForEach(link => link.Dispose());
        _ending.Dispose();
        _net.Dispose();
    }

    [Fact]
    public async Task Two_hundred_nodes_come_back_to_a_killed_controller_within_half_a_minute_at_fifty_handshakes_a_second()
    {
        string[] options = ["--stun-port", "0"];
        using ControllerProcess first = ControllerProcess.Start(_net, options);
        await JoinAsync(first);
        using HttpClient before = first.CreateAdministrator();
        await WatchAsync(before, TimeSpan.FromSeconds(60));
        first.Process.Kill();
        DateTimeOffset killedAt = DateTimeOffset.UtcNow;

        using ControllerProcess second = first.StartAgain(options);
        using HttpClient after = second.CreateAdministrator();
        IReadOnlyList<Sample> samples = await WatchAsync(after, BackWithin);

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"all were back after {samples[^1].To.TotalSeconds:0.0} s, at most {Busiest(samples)} handshakes in a second");
        Assert.InRange(Busiest(samples), 1, HandshakesPerSecond);
        Assert.True(samples[^1].Handshakes >= Nodes, $"{samples[^1].Handshakes} handshakes for {Nodes} nodes");
        LinkStatus?[] statuses = [.. Enumerable.Range(0, Nodes).Select(number => StatusSocket.Ask(RunOf(number).StatusSocket))];
        Assert.All(statuses, status => Assert.True(status!.Controller.Connected && status.Controller.Since > killedAt));
    }

    /// <summary>Makes the nodes members, and starts their control links.</summary>
    private async Task JoinAsync(ControllerProcess controller)
    {
        using HttpClient administrator = controller.CreateAdministrator();
        var lines = new JoinLine[Zones];
        for (int zone = 0; zone < Zones; zone++)
        {
            var creation = new ZoneCreation { Name = $"zone-{zone}", Prefixes = ["10.64.0.0/16"] };
            await administrator.ReadAsync<Zone>(HttpMethod.Post, "/api/v1/zones", creation);
            var token = new TokenCreation { Zone = $"zone-{zone}", MaxUses = Nodes };
            lines[zone] = JoinLine.Parse((await administrator.ReadAsync<CreatedToken>(HttpMethod.Post, "/api/v1/tokens", token)).JoinLine);
        }
        await Parallel.ForAsync(0, Nodes, new ParallelOptions { MaxDegreeOfParallelism = JoiningAtOnce }, async (number, cancellation) =>
        {
            NodeFolder folder = FolderOf(number);
            folder.Create();
            RunOf(number).Create();
            var settings = new NodeSettings { Name = $"node-{number}" };
            await new Joining(folder, _ => { }, TimeProvider.System).JoinAsync(lines[number % Zones], settings, cancellation);
        });
        foreach (int number in Enumerable.Range(0, Nodes))
            _links.Add(new ControlLink(FolderOf(number), RunOf(number), _net.TempFolder, NullLogger.Instance));
        _running = [.. _links.Select(link => Task.Run(() => RunAsync(link)))];
    }

    private async Task RunAsync(ControlLink link)
    {
        try
        {
            await link.RunAsync(() => { }, _ending.Token);
        }
        catch (OperationCanceledException)
        {
            // That is how it ends.
        }
    }

    private NodeFolder FolderOf(int number) => new(Path.Combine(_net.TempFolder, $"state-{number}"), "kedge0");

    private RunFolder RunOf(int number) => new(Path.Combine(_net.TempFolder, $"run-{number}"), "kedge0");

    /// <summary>Reads a controller's numbers until all nodes are connected.</summary>
    /// <returns>What was read; the first one is of when it began, when nobody was back yet.</returns>
    private static async Task<IReadOnlyList<Sample>> WatchAsync(HttpClient administrator, TimeSpan patience)
    {
        var time = Stopwatch.StartNew();
        List<Sample> samples = [new Sample(default, default, 0)];
        using var timer = new PeriodicTimer(SampleInterval);
        while (true)
        {
            TimeSpan from = time.Elapsed;
            using HttpResponseMessage answer = await administrator.CallAsync(HttpMethod.Get, "/metrics");
            string metrics = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            samples.Add(new Sample(from, time.Elapsed, Number(metrics, "kedge_tls_handshakes_total")));
            int online = Number(metrics, "kedge_nodes_online");
            if (online == Nodes)
                return samples;
            Assert.True(time.Elapsed < patience, $"{online} of {Nodes} nodes are connected after {time.Elapsed}");
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }

    private static int Number(string metrics, string name)
    {
        string line = metrics.Split('\n').Single(line => line.StartsWith(name + " ", StringComparison.Ordinal));
        return int.Parse(line.AsSpan(name.Length + 1), CultureInfo.InvariantCulture);
    }

    /// <summary>The most handshakes between any two readings that were surely less than a second apart.</summary>
    private static int Busiest(IReadOnlyList<Sample> samples) => (
        from earlier in samples
        from later in samples
        where later.From >= earlier.To && later.To - earlier.From < TimeSpan.FromSeconds(1)
        select later.Handshakes - earlier.Handshakes).Max();

    /// <summary>A reading of the controller's numbers.</summary>
    /// <param name="From">When it was asked.</param>
    /// <param name="To">When it had answered.</param>
    /// <param name="Handshakes">How many handshakes it had begun by some moment in between.</param>
    private sealed record Sample(TimeSpan From, TimeSpan To, int Handshakes);
}
