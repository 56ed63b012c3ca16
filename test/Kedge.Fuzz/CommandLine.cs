using System.Diagnostics;
using System.Globalization;

namespace Kedge.Fuzz;

/// <summary>Runs targets as the command line says: 0 where nothing was found, 1 where something was, 2 where the call was wrong.</summary>
internal sealed class CommandLine(TextWriter output, TextWriter error)
{
    private const string Usage = """
        usage: Kedge.Fuzz list
               Kedge.Fuzz TARGET|all [--seconds N] [--seed S]    tries new inputs, each target for N seconds (10)
               Kedge.Fuzz TARGET --input FILE                    runs one input
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private double _seconds = 10;
    private int _seed = Environment.TickCount;
    private string? _file;
    private long _runsSeen;

    public int Run(string[] arguments)
    {
        if (arguments is ["list"])
        {
            foreach (Target target in Targets.All)
                output.WriteLine(target.Name);
            return 0;
        }
        if (arguments is not [string name, ..] || !TryReadOptions(arguments.AsSpan(1)))
        {
            error.WriteLine(Usage);
            return 2;
        }
        if (name == "all" && _file is null)
            return Targets.All.Max(Search);
        if (Targets.Find(name) is not { } chosen)
        {
            error.WriteLine($"There is no target '{name}'; 'list' shows those there are.");
            return 2;
        }
        return _file is null ? Search(chosen) : Replay(chosen, _file);
    }

    private bool TryReadOptions(ReadOnlySpan<string> options)
    {
        for (; options.Length >= 2; options = options[2..])
        {
            string value = options[1];
            bool understood = options[0] switch
            {
                "--seconds" => double.TryParse(value, CultureInfo.InvariantCulture, out _seconds) && _seconds >= 0,
                "--seed" => int.TryParse(value, CultureInfo.InvariantCulture, out _seed),
                "--input" => File.Exists(_file = value),
                _ => false,
            };
            if (!understood)
            {
                error.WriteLine($"'{options[0]} {value}' is not understood, or names no file.");
                return false;
            }
        }
        return options.IsEmpty;
    }

    private int Replay(Target target, string file)
    {
        byte[] input = File.ReadAllBytes(file);
        if (Campaign.Try(target, input, new Trace()) is not { } failure)
        {
            output.WriteLine($"{target.Name}: {input.Length} bytes, nothing is wrong.");
            return 0;
        }
        output.WriteLine($"{target.Name}: {input.Length} bytes, {failure}");
        return 1;
    }

    private int Search(Target target)
    {
        output.WriteLine($"{target.Name}: seed {_seed}");
        var campaign = new Campaign(target, _seed, Corpus.Load(target));
        var time = Stopwatch.StartNew();
        Finding? finding = null;
        using (new Timer(_ => WatchOver(target, campaign), null, Patience, Patience))
        {
            while (finding is null && time.Elapsed.TotalSeconds < _seconds)
                finding = campaign.Step();
        }
        output.WriteLine(
            $"{target.Name}: {campaign.Runs} inputs in {time.Elapsed.TotalSeconds:F0} s, {campaign.Kept} showed something new, {campaign.Known} steps seen");
        if (finding is null)
            return 0;
        output.WriteLine($"{target.Name}: {finding.Kind}. Shrinking {finding.Input.Length} bytes.");
        Finding smallest = Shrinker.Shrink(target, finding);
        Report(target, smallest.Input, smallest.Failure.ToString());
        return 1;
    }


    // Whatever does not end is found by nobody else. The thread that hangs cannot be stopped, so the process is.
    private void WatchOver(Target target, Campaign campaign)
    {
        if (Interlocked.Exchange(ref _runsSeen, campaign.Runs) != campaign.Runs)
            return;
        Report(target, campaign.Current, $"An input ran for more than {Patience.TotalSeconds} s.");
        Environment.Exit(1);
    }

    private void Report(Target target, byte[] input, string failure)
    {
        string file = Corpus.Save(target, input);
        output.WriteLine(failure);
        output.WriteLine($"{input.Length} bytes, kept in the corpus. To run them again:");
        output.WriteLine($"    dotnet run --project test/Kedge.Fuzz -- {target.Name} --input {Path.GetRelativePath(Environment.CurrentDirectory, file)}");
    }
}
