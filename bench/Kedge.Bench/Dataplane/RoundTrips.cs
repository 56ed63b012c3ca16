using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>How long an answer takes, by ping(8).</summary>
internal static class RoundTrips
{
    private const int Requests = 200, FirstRequests = 10;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LoadTime = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan LoadStart = TimeSpan.FromSeconds(1); // until the stream has its speed

    public static IReadOnlyList<Measurement> Measurements { get; } =
    [
        new(Idle, Figure.Cost("ping idle, p50, ms"), Figure.Cost("ping idle, p99, ms"), Figure.Cost("ping idle, mean, ms")),
        new(
            UnderLoad,
            Figure.Cost("ping under load, p50, ms"),
            Figure.Cost("ping under load, p99, ms"),
            Figure.Cost("ping under load, mean, ms")),
        new(WithoutSession, Figure.Cost("first packet without a session, until its answer, ms")) { IsOfWireGuard = true },
    ];

    // A responder drops an initiation that comes within 20 ms of the one before, and the next would be 5 s later.
    private static readonly TimeSpan InitiationPause = TimeSpan.FromMilliseconds(60);

    private static double[] Idle(BenchPath path)
    {
        Ping ping = Ping.Run(path.A, path.Ends.AddressOfB, Requests, interval: Interval);
        return [ping.Quantile(0.5).TotalMilliseconds, ping.Quantile(0.99).TotalMilliseconds, ping.Mean.TotalMilliseconds];
    }

    private static double[] UnderLoad(BenchPath path)
    {
        Task<Iperf> load = Task.Run(() => Iperf.Tcp(path.A, path.B, path.Ends.AddressOfB, LoadTime));
        Thread.Sleep(LoadStart);
        double[] times = Idle(path);
        load.GetAwaiter().GetResult();
        return times;
    }

    /// <summary>
    /// The median of several, each of which begins with a handshake: the session has been ended before. As after minutes of silence, Kedge
    /// has then to write down up to when it may use timestamps (<see cref="Protocol.WireGuard.TimestampSource"/>), and that is in the time.
    /// </summary>
    private static double[] WithoutSession(BenchPath path)
    {
        DeviceProcess device = path.Devices.DeviceOfA;
        string passingKey = device.Host.Topology.WriteSecret("passing.key", WireGuardKeys.Generate().PrivateKey);
        var times = new double[FirstRequests];
        for (int i = 0; i < times.Length; i++)
        {
            // Sessions end with the key that they were made with.
            device.Set("private-key", passingKey);
            device.Set("private-key", device.PrivateKeyFile);
            Thread.Sleep(InitiationPause);
            Ping ping = Ping.Run(path.A, path.Ends.AddressOfB, count: 1);
            if (!ping.AllReceived)
                throw new TimeoutException("The first packet without a session got no answer within 5 s.");
            times[i] = ping.Mean.TotalMilliseconds;
        }
        return [new Sample(times).Median];
    }
}
