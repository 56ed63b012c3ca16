using System.Globalization;
using Kedge.Fuzz;

namespace Kedge.Tests.Fuzzing;

/// <summary>
/// Every fuzz target on every input of its corpus, and on a fixed number of new ones that follow from a fixed seed. A longer search:
/// <c>dotnet run --project test/Kedge.Fuzz -- all --seconds 60</c>.
/// </summary>
public class FuzzTests
{
    private const int Seed = 20260101;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public static TheoryData<string> Names => [.. Targets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_corpus_of_a_target_finds_nothing_any_more(string name)
    {
        Target target = Targets.Find(name)!;
        IReadOnlyList<string> files = Corpus.FilesOf(target);
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            byte[] input = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
            Exception? failure = await Within(() => Campaign.Try(target, input, new Trace()), file);
            Assert.True(failure is null, $"{name} fails on {file}: {failure}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_short_search_of_a_target_finds_nothing(string name)
    {
        Target target = Targets.Find(name)!;
        var campaign = new Campaign(target, Seed, Corpus.Load(target));
        Finding? finding = await Within(() => Search(campaign, target.ShortRun), $"seed {Seed}");
        Assert.True(
            finding is null,
            $"{name}, seed {Seed}, input {campaign.Runs.ToString(CultureInfo.InvariantCulture)}, in base64 {Convert.ToBase64String(finding?.Input ?? [])}: {finding?.Failure}");
    }

    private static Finding? Search(Campaign campaign, int runs)
    {
        for (int i = 0; i < runs; i++)
        {
            if (campaign.Step() is { } finding)
                return finding;
        }
        return null;
    }

    // An input that never ends fails its test; the thread that runs it ends with the process.
    private static async Task<T> Within<T>(Func<T> work, string what)
    {
        Task<T> running = Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            return await running.WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            throw new InvalidOperationException($"{what} does not end.");
        }
    }
}
