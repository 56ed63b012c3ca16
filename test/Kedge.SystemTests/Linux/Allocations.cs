namespace Kedge.SystemTests.Linux;

/// <summary>What a thread allocates.</summary>
internal static class Allocations
{
    private const int Rounds = 50, Windows = 3;

    /// <summary>Asserts that what is done over and over allocates nothing, once it has been done for a while.</summary>
    public static void AssertNone(Action step)
    {
        _ = Measure();
        // The runtime itself allocates once in a while, on any thread: not in all windows. What the step allocates is in each.
        Assert.Contains(0, Enumerable.Range(0, Windows).Select(_ => Measure()));

        long Measure()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < Rounds; i++)
                step();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }
}
