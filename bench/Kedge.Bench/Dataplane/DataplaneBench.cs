using System.Globalization;
using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>
/// A tunnel between two hosts: Kedge on both ends against wireguard-go on both ends, in alternation, so that what else the machine does
/// meets both; and beside them, less often, the cable alone, and nebula where it is installed. A table in the notation of the documents.
/// <para>
/// KEDGE_BENCH_WIREGUARD_GO names another wireguard-go than the installed one, KEDGE_BENCH_NEBULA a folder with nebula and nebula-cert;
/// KEDGE_BENCH_PAIRS says how often each is measured, and KEDGE_BENCH_ROWS words, separated by semicolons, one of which a row's name must
/// contain.
/// </para>
/// </summary>
internal static class DataplaneBench
{
    // The two that are compared come first, and are measured in every pair.
    private const int Compared = 2, RoundsOfOthers = 3;

    private static readonly IReadOnlyList<Measurement> Measurements =
    [
        .. Throughput.Measurements,
        .. RoundTrips.Measurements,
        .. Connections.Measurements,
        .. HandshakeRate.Measurements,
        .. Memory.Measurements,
    ];

    public static void Run()
    {
        string program = Environment.GetEnvironmentVariable("KEDGE_PROGRAM") ?? Path.Combine(Repository.Root(), "out", "kedge");
        string opponent = Environment.GetEnvironmentVariable("KEDGE_BENCH_WIREGUARD_GO") ?? "wireguard-go";
        int pairs = int.Parse(Environment.GetEnvironmentVariable("KEDGE_BENCH_PAIRS") ?? "5", CultureInfo.InvariantCulture);
        string[] words = (Environment.GetEnvironmentVariable("KEDGE_BENCH_ROWS") ?? "").Split(';');
        if (WhyNoOpponent(opponent) is { } reason)
            throw new InvalidOperationException(reason);
        Nebula? nebula = Nebula.Find(Environment.GetEnvironmentVariable("KEDGE_BENCH_NEBULA"));

        Contender kedge = new WireGuard("Kedge", host => DeviceProcess.StartKedge(host, program));
        Contender other = new WireGuard("wireguard-go", host => DeviceProcess.StartWireGuardGo(host, program: opponent));
        Contender[] beside = nebula is null ? [new BareCable()] : [new BareCable(), nebula];
        Console.WriteLine(
            $"Medians of {pairs} pairs [min..max], of the others of {Math.Min(pairs, RoundsOfOthers)} rounds; "
            + $"both ends and their load on this machine's {Environment.ProcessorCount} cores.");
        if (nebula is null)
            Console.WriteLine("No nebula: it is not installed, and KEDGE_BENCH_NEBULA names no folder with nebula and nebula-cert.");
        Console.WriteLine();
        PrintLine(["", kedge.Name, other.Name, "ratio", .. beside.Select(contender => contender.Name)]);
        PrintLine(Enumerable.Repeat("---", 4 + beside.Length));
        int failed = 0;
        foreach (Measurement measurement in Measurements.Where(IsWanted))
        {
            try
            {
                Print(measurement, Measure(measurement, [kedge, other, .. beside], pairs));
            }
            catch (Exception e) when (e is CommandException or TimeoutException or InvalidOperationException)
            {
                // The others are worth their time all the same.
                string names = string.Join("; ", measurement.Figures.Select(figure => figure.Name));
                Console.Error.WriteLine($"bench: no figures for {names}: {e.Message.Split('\n')[0]}");
                failed++;
            }
        }
        if (failed > 0)
            throw new InvalidOperationException($"{failed} of the measurements failed.");

        bool IsWanted(Measurement measurement) =>
            words.Any(word => measurement.Figures.Any(figure => figure.Name.Contains(word, StringComparison.OrdinalIgnoreCase)));
    }

    /// <summary>Measures all contenders in turns.</summary>
    /// <returns>By contender and figure; null for a contender that it does not suit.</returns>
    private static Sample[]?[] Measure(Measurement measurement, Contender[] contenders, int pairs)
    {
        var values = contenders.Select(contender => measurement.Suits(contender) ? new List<double[]>() : null).ToArray();
        for (int pair = 0; pair < pairs; pair++)
        {
            foreach ((int index, Contender contender) in contenders.Index())
            {
                if (index < Compared || pair < RoundsOfOthers)
                    values[index]?.Add(measurement.Measure(contender));
            }
        }
        return [.. values.Select(of => of is null ? null : Enumerable.Range(0, measurement.Figures.Count)
            .Select(figure => new Sample([.. of.Select(one => one[figure])])).ToArray())];
    }

    private static void Print(Measurement measurement, Sample[]?[] samples)
    {
        foreach ((int index, Figure figure) in measurement.Figures.Index())
        {
            string[] cells = [.. samples.Select(of => of?[index].ToString(figure.Format) ?? "")];
            double ratio = samples[0]![index].Median / samples[1]![index].Median;
            PrintLine(
            [
                figure.IsLessBetter ? $"{figure.Name} (less is better)" : figure.Name,
                cells[0], cells[1], ratio.ToString("F2", CultureInfo.InvariantCulture), .. cells[2..],
            ]);
        }
    }

    private static void PrintLine(IEnumerable<string> cells) => Console.WriteLine($"| {string.Join(" | ", cells)} |");

    /// <summary>Why a wireguard-go is no opponent: releases before December 2023 have no offloads.</summary>
    private static string? WhyNoOpponent(string program)
    {
        const string WithOffloads = "20231200", Prefix = "wireguard-go v0.0.";
        string version = RunningProcess.Start(new Command(program, "--version")).WaitForExit(TimeSpan.FromSeconds(10)).Output;
        int start = version.IndexOf(Prefix, StringComparison.Ordinal) + Prefix.Length;
        string date = start >= Prefix.Length && version.Length >= start + 8 ? version.Substring(start, 8) : "an unknown date";
        return string.CompareOrdinal(date, WithOffloads) > 0 && char.IsAsciiDigit(date[0])
            ? null
            : $"{program} is of {date}: name one since December 2023, which has offloads, by KEDGE_BENCH_WIREGUARD_GO.";
    }
}
