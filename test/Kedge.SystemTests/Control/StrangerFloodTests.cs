using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using Kedge.Demo;

namespace Kedge.SystemTests.Control;

/// <summary>
/// A real controller under a flood from one address, and requests from others, each on its own connection. Every address of 127.0.0.0/8 is
/// the loopback interface's, so one machine can be many sources.
/// </summary>
public sealed class StrangerFloodTests : IDisposable
{
    private const int ConnectsPerSecond = 2000, RequestsPerSecond = 10;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // A complete record (RFC 8446, section 5.1) with a ClientHello that breaks off after its version.
    private static readonly byte[] BrokenClientHello = [22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3];

    private readonly Topology _net = Topology.Create(); // for its folder alone
    private readonly ControllerProcess _controller;

    public StrangerFloodTests() => _controller = ControllerProcess.Start(_net, "--stun-port", "0");

    public void Dispose()
    {
        _controller.Dispose();
        _net.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_address_connects_two_thousand_times_a_second_and_others_are_served(bool sendsClientHello)
    {
        Figures before = await MeasureAsync(WarmUp, network: 1);
        using var ending = new CancellationTokenSource();
        var time = Stopwatch.StartNew();
        Task<int> flood = FloodAsync(IPAddress.Parse(sendsClientHello ? "127.0.0.3" : "127.0.0.2"), sendsClientHello, ending.Token);
        Figures during = await MeasureAsync(Duration, network: 2);
        await ending.CancelAsync();
        double connects = await flood / time.Elapsed.TotalSeconds;

        string figures = $"before: {before}; at {connects:0} connects a second: {during}";
        TestContext.Current.TestOutputHelper!.WriteLine(figures);
        Assert.True(connects > ConnectsPerSecond / 4, $"The flood is too thin to show anything: {figures}");
        Assert.True(during.Served >= 0.95 * during.Requests, figures);
        // What else the machine has to do shows in the figures before as well.
        Assert.True(during.Slowest < TimeSpan.FromSeconds(2) + 4 * before.Slowest, figures);
    }

    /// <summary>Sends requests at an even pace, each on a new connection.</summary>
    /// <param name="duration">For how long.</param>
    /// <param name="network">Strangers come from addresses of 127.NETWORK.0.0/16, each from its own.</param>
    private async Task<Figures> MeasureAsync(TimeSpan duration, byte network)
    {
        var latencies = new ConcurrentBag<TimeSpan>();
        var failures = new ConcurrentBag<string>();
        List<Task> requests = [];
        var time = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / RequestsPerSecond);
        for (int number = 0; time.Elapsed < duration; number++)
        {
            // By turns a stranger, and the administrator, whose source is known from the first request on.
            bool isStranger = number % 2 == 0;
            IPAddress from = isStranger ? new IPAddress([127, network, 0, (byte)(1 + number / 2)]) : IPAddress.Loopback;
            requests.Add(RequestAsync(from, isStranger ? "/health/live" : "/api/v1/network", latencies, failures));
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
        await Task.WhenAll(requests);
        TimeSpan[] sorted = [.. latencies.Order()];
        return sorted.Length == 0
            ? new Figures(requests.Count, 0, Patience, Patience, failures.First())
            : new Figures(requests.Count, sorted.Length, sorted[sorted.Length / 2], sorted[(int)Math.Ceiling(0.99 * sorted.Length) - 1], failures.FirstOrDefault());
    }

    private async Task RequestAsync(IPAddress from, string path, ConcurrentBag<TimeSpan> latencies, ConcurrentBag<string> failures)
    {
        var time = Stopwatch.StartNew();
        try
        {
            using HttpClient client = CreateClientAt(from);
            using HttpResponseMessage answer = await client.GetAsync(path);
            answer.EnsureSuccessStatusCode();
            latencies.Add(time.Elapsed);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            failures.Add(e.Message);
        }
    }

    /// <summary>Connects at the pace of the flood, and closes each connection at once.</summary>
    /// <returns>How many connections there were.</returns>
    private async Task<int> FloodAsync(IPAddress from, bool sendsClientHello, CancellationToken cancellation)
    {
        const int AtOnce = 20;
        int connects = 0;
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) * AtOnce / ConnectsPerSecond);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellation))
            {
                await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => ConnectAsync(from, sendsClientHello)));
                connects += AtOnce;
            }
        }
        catch (OperationCanceledException)
        {
            // That is how it ends.
        }
        return connects;
    }

    private async Task ConnectAsync(IPAddress from, bool sendsClientHello)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(from, 0));
            await socket.ConnectAsync(IPAddress.Loopback, _controller.Url.Port);
            if (sendsClientHello)
                await socket.SendAsync(BrokenClientHello);
        }
        catch (SocketException)
        {
            // The controller may send it away.
        }
    }

    private HttpClient CreateClientAt(IPAddress from)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                socket.Bind(new IPEndPoint(from, 0));
                await socket.ConnectAsync(IPAddress.Loopback, _controller.Url.Port, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = _controller.Trust },
        };
        var client = new HttpClient(handler) { BaseAddress = _controller.Url, Timeout = Patience, DefaultRequestVersion = HttpVersion.Version20 };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", _controller.AdministratorToken);
        return client;
    }

    /// <summary>What became of requests.</summary>
    /// <param name="Requests">How many were sent.</param>
    /// <param name="Served">How many were served.</param>
    /// <param name="Median">The median time that one took, its connection included.</param>
    /// <param name="Slowest">The time within which 99 % were served.</param>
    /// <param name="Failure">Why one failed; null if none did.</param>
    private sealed record Figures(int Requests, int Served, TimeSpan Median, TimeSpan Slowest, string? Failure)
    {
        public override string ToString() =>
            $"{Served} of {Requests} served, median {Median.TotalMilliseconds:0} ms, p99 {Slowest.TotalMilliseconds:0} ms {Failure}".TrimEnd();
    }
}
