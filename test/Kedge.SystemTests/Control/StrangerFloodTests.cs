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
        using var ending = new CancellationTokenSource();
        Task<int> flood = FloodAsync(IPAddress.Parse(sendsClientHello ? "127.0.0.3" : "127.0.0.2"), sendsClientHello, ending.Token);
        var latencies = new ConcurrentBag<TimeSpan>();
        var failures = new ConcurrentBag<string>();
        List<Task> requests = [];
        var time = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / RequestsPerSecond);
        for (int number = 0; time.Elapsed < Duration; number++)
        {
            // Administrators, whose source is known from the first request on, and strangers from a new address each.
            bool isStranger = number % 2 == 0;
            IPAddress from = isStranger ? new IPAddress([127, 1, 0, (byte)(1 + number / 2)]) : IPAddress.Loopback;
            requests.Add(RequestAsync(from, isStranger ? "/health/live" : "/api/v1/network", latencies, failures));
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
        await Task.WhenAll(requests);
        double seconds = time.Elapsed.TotalSeconds;
        await ending.CancelAsync();
        int connects = await flood;

        TimeSpan[] sorted = [.. latencies.Order()];
        TimeSpan slowest = sorted.Length == 0 ? Patience : sorted[(int)Math.Ceiling(0.99 * sorted.Length) - 1];
        string figures = $"{connects / seconds:0} connects a second; {sorted.Length} of {requests.Count} requests served, "
            + $"median {sorted.ElementAtOrDefault(sorted.Length / 2).TotalMilliseconds:0} ms, p99 {slowest.TotalMilliseconds:0} ms; {string.Join(" | ", failures.Distinct().Take(3))}";
        TestContext.Current.TestOutputHelper!.WriteLine(figures);
        Assert.True(connects / seconds > ConnectsPerSecond / 4, $"The flood is too thin to show anything: {figures}");
        Assert.True(sorted.Length >= 0.95 * requests.Count, figures);
        Assert.True(slowest < TimeSpan.FromSeconds(2), figures);
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
}
