using System.Diagnostics;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;

namespace Kedge.SystemTests.Control;

/// <summary>How fast what one node says reaches another, through a controller in a process of its own.</summary>
public sealed class IntroductionTests(SharedController shared) : IClassFixture<SharedController>
{
    private const int Introductions = 20;

    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(100);

    // Twice a second each way, as often as a pair may go on.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(260);

    private readonly HttpClient _administrator = shared.Administrator;

    [Fact]
    public async Task An_introduction_and_its_answer_arrive_within_a_tenth_of_a_second()
    {
        await using EnrolledNode a = await JoinAsync("asks"), b = await JoinAsync("answers");
        await FollowAsync(a, b);

        Report("an introduction", await MeasureAsync(Introductions, Pace, i => IntroduceAsync(i, a, b)));
    }

    [Fact]
    public async Task They_do_also_while_the_stream_of_a_third_node_is_stuck()
    {
        await using EnrolledNode a = await JoinAsync("one"), b = await JoinAsync("two"), stuck = await JoinAsync("stuck");
        await FollowAsync(a, b);
        using X509Certificate2 certificate = stuck.Certificate;
        using UnreadStream unread = await UnreadStream.OpenAsync(shared.Process, certificate);

        TimeSpan[] times = await MeasureAsync(Introductions, Pace, async i =>
        {
            try
            {
                await a.Client.IntroduceAsync(new Introduction(stuck.Id, [], Opened: false), TestContext.Current.CancellationToken);
            }
            catch (ControllerException e) when (e.Status == HttpStatusCode.TooManyRequests)
            {
                // It has some that nobody reads.
            }
            return await IntroduceAsync(i, a, b);
        });

        const byte Data = 0;
        Assert.DoesNotContain(Data, await unread.ReadToPingAsync());
        Report("an introduction beside a stuck stream", times);
    }

    /// <summary>By several nodes: what one of them says all the time is told now and then.</summary>
    [Fact]
    public async Task Where_a_node_is_reached_arrives_within_a_tenth_of_a_second_while_the_zone_is_quiet()
    {
        List<EnrolledNode> nodes = [];
        try
        {
            for (int i = 0; i < 4; i++)
                nodes.Add(await JoinAsync($"roams-{i}"));
            await nodes[0].FollowAsync(peers: 3);
            // No two within the longest pause between two times of telling.
            TimeSpan[] times = await MeasureAsync(9, TimeSpan.FromMilliseconds(600), async i =>
            {
                EnrolledNode node = nodes[1 + i % 3];
                long start = Stopwatch.GetTimestamp();
                var report = new EndpointReport([new NodeEndpoint($"192.0.2.1:{1000 + i}", "reflexive")]);
                await node.Client.ReportEndpointsAsync(report, TestContext.Current.CancellationToken);
                long end = await nodes[0].WaitForAsync(
                    (map, _) => map.EndpointsOf(node.Id) is [{ Address.Port: var port }] && port == 1000 + i);
                return end - start;
            });
            Report("an endpoint", times);
        }
        finally
        {
            foreach (EnrolledNode node in nodes)
                await node.DisposeAsync();
        }
    }

    private Task<EnrolledNode> JoinAsync(string name) => EnrolledNode.JoinAsync(_administrator, $"introduction-{name}");

    private static async Task FollowAsync(EnrolledNode a, EnrolledNode b)
    {
        await a.FollowAsync(peers: 1);
        await b.FollowAsync(peers: 1);
    }

    /// <summary>Measures several times, one after the other at a pace.</summary>
    /// <param name="times">How many times.</param>
    /// <param name="pace">The time from one beginning to the next.</param>
    /// <param name="measure">Measures once, given the number: in units of <see cref="Stopwatch"/>.</param>
    /// <returns>The times, the shortest first.</returns>
    private static async Task<TimeSpan[]> MeasureAsync(int times, TimeSpan pace, Func<int, Task<long>> measure)
    {
        using var timer = new PeriodicTimer(pace);
        List<TimeSpan> measured = [];
        for (int i = 0; i < times; i++)
        {
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
            measured.Add(Stopwatch.GetElapsedTime(0, await measure(i)));
        }
        return [.. measured.Order()];
    }

    // By turns an introduction of one to the other, and its answer.
    private static async Task<long> IntroduceAsync(int number, EnrolledNode a, EnrolledNode b)
    {
        bool opened = number % 2 == 1;
        (EnrolledNode from, EnrolledNode to) = opened ? (b, a) : (a, b);
        var introduction = new Introduction(to.Id, [new NodeEndpoint($"198.51.100.1:{1000 + number}", "reflexive")], opened);
        long start = Stopwatch.GetTimestamp();
        await from.Client.IntroduceAsync(introduction, TestContext.Current.CancellationToken);
        long end = await to.WaitForAsync((map, outcome) => outcome == MapOutcome.Introduced
            && map.Introduction!.From == from.Id && map.Introduction.Endpoints[0].Address.Port == 1000 + number);
        return end - start;
    }

    private static void Report(string what, TimeSpan[] sorted)
    {
        TimeSpan median = sorted[sorted.Length / 2];
        double slowest = sorted[^1].TotalMilliseconds;
        string figures = $"{what}: median {median.TotalMilliseconds:0.0} ms, slowest {slowest:0.0} ms of {sorted.Length}";
        TestContext.Current.TestOutputHelper!.WriteLine(figures);
        Assert.True(median < Soon, figures);
    }
}
