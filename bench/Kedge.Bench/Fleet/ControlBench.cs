using System.Diagnostics;
using System.Globalization;

namespace Kedge.Bench.Fleet;

/// <summary>
/// One controller process and its nodes on this machine: how fast they join, how soon everybody knows of a change while nodes come and go,
/// and what that costs. The nodes use the real client and map, and the same processors as the controller.
/// KEDGE_BENCH_NODES and KEDGE_BENCH_SECONDS choose other sizes and another duration of the churn.
/// </summary>
internal static class ControlBench
{
    private const int LargestChurned = 1000; // beyond that one machine measures its own simulation
    private const int JoiningAtOnce = 40;
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(60);

    public static void Run() => RunAsync().GetAwaiter().GetResult();

    private static async Task RunAsync()
    {
        string program = Environment.GetEnvironmentVariable("KEDGE_PROGRAM") ?? Path.Combine(Repository.Root(), "out", "kedge");
        int[] sizes = [.. (Environment.GetEnvironmentVariable("KEDGE_BENCH_NODES") ?? "100,1000,3000").Split(',').Select(Number)];
        int seconds = Number(Environment.GetEnvironmentVariable("KEDGE_BENCH_SECONDS") ?? "60");
        Console.WriteLine(
            $"Nodes joining one controller, then 1 % of them leaving and as many joining each second for {seconds} s; "
            + $"controller and nodes on this machine's {Environment.ProcessorCount} cores");
        Console.WriteLine($"{"nodes",7}{"joins/s",10}{"CPU ms/join",13}{"memory MB",11}  │{"p50 ms",9}{"p99 ms",9}{"bytes/change,node",19}{"cores",7}{"memory MB",11}{"maps sent",11}");
        foreach (int size in sizes)
            await MeasureAsync(program, size, seconds);
    }

    private static async Task MeasureAsync(string program, int size, int seconds)
    {
        using ControllerProcess controller = ControllerProcess.Start(program);
        string token = await controller.CreateZoneAsync("bench");
        var fleet = new Fleet(controller.Address, token);
        TimeSpan before = controller.ProcessorTime;
        var joining = Stopwatch.StartNew();
        await fleet.JoinAsync(size, JoiningAtOnce);
        double joinsPerSecond = size / joining.Elapsed.TotalSeconds;
        double cpuPerJoin = (controller.ProcessorTime - before).TotalMilliseconds / size;
        Write($"{size,7}{joinsPerSecond,10:F1}{cpuPerJoin,13:F1}{controller.Memory / 1e6,11:F0}  │");
        if (size <= LargestChurned)
            await ChurnAsync(controller, fleet, size, seconds);
        Console.WriteLine();
        await fleet.StopAsync();
        foreach (string failure in fleet.Failures)
            Console.WriteLine($"        {failure}");
    }

    private static async Task ChurnAsync(ControllerProcess controller, Fleet fleet, int size, int seconds)
    {
        double bytesBefore = await LaterBytesAsync(controller);
        TimeSpan processorBefore = controller.ProcessorTime;
        var time = Stopwatch.StartNew();
        await fleet.ChurnAsync(changesPerSecond: size / 100.0, TimeSpan.FromSeconds(seconds));
        double cores = (controller.ProcessorTime - processorBefore) / time.Elapsed;
        await fleet.SettleAsync(Grace);
        double bytes = await LaterBytesAsync(controller) - bytesBefore;

        double[] times = [.. fleet.Changes.SelectMany(change => fleet.TimesOf(change)).Select(one => one.TotalMilliseconds).Order()];
        double snapshots = await controller.CountAsync("kedge_push_snapshots_total");
        int changes = fleet.Changes.Count;
        Write($"{Percentile(times, 50),9:F0}{Percentile(times, 99),9:F0}{bytes / changes / size,19:F0}{cores,7:F2}{controller.Memory / 1e6,11:F0}{$"{snapshots}/{fleet.Joined}",11}");
    }

    private static Task<double> LaterBytesAsync(ControllerProcess controller) => controller.CountAsync("kedge_push_bytes_total{kind=\"later\"}");

    private static double Percentile(double[] sorted, int percent) =>
        sorted.Length == 0 ? double.NaN : sorted[Math.Min(sorted.Length - 1, sorted.Length * percent / 100)];

    private static void Write(FormattableString text) => Console.Write(text.ToString(CultureInfo.InvariantCulture));

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
