using System.Globalization;
using System.Text.RegularExpressions;
using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>Two namespaces with a device each and a tunnel between them. What it made is gone when it is disposed.</summary>
internal sealed partial class BenchTunnel : IDisposable
{
    private const string Left = "10.78.0.1", Right = "10.78.0.2";
    private const int OuterHeaders = 80; // WireGuard over IPv6, the most that a datagram adds

    private readonly Topology _net = Topology.Create();
    private readonly Host _a, _b;
    private readonly DeviceProcess _atA, _atB;

    public BenchTunnel(Func<Host, DeviceProcess> start, int mtu)
    {
        (_a, _b) = (_net.AddHost("a"), _net.AddHost("b"));
        _net.Connect(_a, _b, ["192.0.2.1/24"], ["192.0.2.2/24"], mtu: Math.Min(mtu + OuterHeaders, 65535));
        (_atA, _atB) = (start(_a), start(_b));
        _atA.SetUp([$"{Left}/24"], mtu);
        _atB.SetUp([$"{Right}/24"], mtu);
        _atA.AddPeer(_atB, [$"{Right}/32"], $"192.0.2.2:{_atB.ListenPort}");
        _atB.AddPeer(_atA, [$"{Left}/32"]);
        Wait.Until(
            () => Demo.Ping.Run(_a, Right, count: 1, patience: Demo.Ping.Brief).AllReceived, TimeSpan.FromSeconds(10), "an answer through the tunnel");
    }

    /// <summary>Mbit/s of TCP payload.</summary>
    public double Tcp(TimeSpan duration, int streams = 1) => Iperf.Tcp(_a, _b, Right, duration, streams).BitsPerSecond / 1e6;

    /// <summary>Mbit/s of TCP payload, both directions added.</summary>
    public double BothDirections(TimeSpan duration)
    {
        Task<Iperf> there = Task.Run(() => Iperf.Tcp(_a, _b, Right, duration));
        Iperf back = Iperf.Tcp(_b, _a, Left, duration);
        return (there.GetAwaiter().GetResult().BitsPerSecond + back.BitsPerSecond) / 1e6;
    }

    /// <summary>
    /// Packets a second that come out of the tunnel; iperf3's own receiver would lose some first. What a device writes at once for several
    /// counts as one packet with one header there, so they are told by their payload.
    /// </summary>
    public double UdpPackets(TimeSpan duration, int payloadBytes)
    {
        const int Headers = 28; // IPv4 and UDP
        (long packets, long bytes) = (Received("packets"), Received("bytes"));
        Iperf.Udp(_a, _b, Right, duration, bitsPerSecond: 0, payloadBytes);
        (packets, bytes) = (Received("packets") - packets, Received("bytes") - bytes);
        return (bytes - Headers * packets) / payloadBytes / duration.TotalSeconds;
    }

    /// <summary>Seconds of all processors for a GiB of TCP payload, iperf3's own included.</summary>
    public double ProcessorTimePerGibibyte(TimeSpan duration)
    {
        double before = BusySeconds();
        double bytes = Iperf.Tcp(_a, _b, Right, duration).BitsPerSecond / 8 * duration.TotalSeconds;
        return (BusySeconds() - before) / (bytes / (1L << 30));
    }

    /// <summary>Round-trip times of a tunnel with nothing else to do.</summary>
    public RoundTrips PingIdle() => Ping(count: 100);

    /// <summary>Round-trip times while a TCP stream takes all there is.</summary>
    public RoundTrips PingUnderLoad(TimeSpan duration)
    {
        Task<Iperf> load = Task.Run(() => Iperf.Tcp(_a, _b, Right, duration));
        Thread.Sleep(500); // until the stream has its speed
        RoundTrips trips = Ping(count: (int)(duration.TotalSeconds * 50) - 50);
        load.GetAwaiter().GetResult();
        return trips;
    }

    /// <summary>Resident memory in MB of one end after a TCP stream, with so many peers.</summary>
    public double MemoryAfter(TimeSpan duration, int peers)
    {
        for (int i = 1; i < peers; i++)
            _atA.Set("peer", WireGuardKeys.Generate().PublicKey, "allowed-ips", $"10.79.{i >> 8}.{i & 255}/32", "endpoint", $"192.0.2.2:{1000 + i}");
        Tcp(duration);
        string status = File.ReadAllText($"/proc/{_atA.Process.ProcessId}/status");
        return long.Parse(Resident().Match(status).Groups[1].ValueSpan, CultureInfo.InvariantCulture) * 1024 / 1e6;
    }

    public void Dispose() => _net.Dispose();

    private long Received(string what) => long.Parse(
        _b.Run("cat", $"/sys/class/net/{_atB.Name}/statistics/rx_{what}").Output, CultureInfo.InvariantCulture);

    private static double BusySeconds()
    {
        // proc(5): user, nice, system, idle, iowait, irq, softirq of all processors together, in hundredths of a second.
        double[] ticks = [.. File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(7)
            .Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
        return (ticks.Sum() - ticks[3] - ticks[4]) / 100;
    }

    private RoundTrips Ping(int count)
    {
        string output = _a.Run("ping", "-n", "-i", "0.02", "-W", "2", "-c", count.ToString(CultureInfo.InvariantCulture), Right).Output;
        return new RoundTrips([.. RoundTripTime().Matches(output).Select(match => double.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture))]);
    }

    [GeneratedRegex(@"time=([\d.]+) ms")]
    private static partial Regex RoundTripTime();

    [GeneratedRegex(@"VmRSS:\s+(\d+) kB")]
    private static partial Regex Resident();
}

/// <summary>Round-trip times in milliseconds.</summary>
internal sealed record RoundTrips(IReadOnlyList<double> Times)
{
    public double Mean => Times.Average();

    public double Percentile99 => Times.Order().ElementAt(Math.Min(Times.Count - 1, Times.Count * 99 / 100));
}
