using Kedge.Fuzz;

namespace Kedge.Tests.Fuzzing;

/// <summary>The fuzzer finds what is there to be found, always in the same way.</summary>
public class EngineTests
{
    /// <summary>Fails on what contains A, then B, then C: three steps, each of which only feedback makes likely.</summary>
    private sealed class Staircase : Target
    {
        public override string Name => "staircase";

        public override int ShortRun => 0;

        public override void Run(ReadOnlySpan<byte> input, Trace trace)
        {
            int height = 0;
            foreach (byte b in input)
            {
                if (height < 3 && b == "ABC"u8[height])
                    trace.Note(1, ++height);
            }
            Invariant.Holds(height < 3, "the staircase is not climbed");
        }
    }

    private static (Finding Finding, long Runs) Climb(int seed)
    {
        var campaign = new Campaign(new Staircase(), seed, []);
        while (campaign.Runs < 1_000_000)
        {
            if (campaign.Step() is { } finding)
                return (finding, campaign.Runs);
        }
        throw new InvalidOperationException("The fuzzer found nothing in a million runs.");
    }

    [Fact]
    public void A_failure_behind_three_steps_is_found() => Assert.Equal("the staircase is not climbed", Climb(1).Finding.Kind);

    [Fact]
    public void The_same_seed_finds_the_same_input()
    {
        (Finding first, long firstRuns) = Climb(2);
        (Finding second, long secondRuns) = Climb(2);
        Assert.Equal(first.Input, second.Input);
        Assert.Equal(firstRuns, secondRuns);
    }

    [Fact]
    public void A_finding_shrinks_to_what_it_needs()
    {
        var target = new Staircase();
        byte[] input = [.. new byte[100], (byte)'A', 7, 7, (byte)'B', .. new byte[30], (byte)'C', 9];
        Exception failure = Campaign.Try(target, input, new Trace())!;
        Assert.Equal("ABC"u8, Shrinker.Shrink(target, new Finding(input, failure)).Input);
    }
}
