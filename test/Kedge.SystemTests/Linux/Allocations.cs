namespace Kedge.SystemTests.Linux;

/// <summary>What a thread allocates.</summary>
internal static class Allocations
{
    private const int Rounds = 50;

    /// <summary>Asserts that what is done over and over allocates nothing, once it has been done for a while.</summary>
    public static void AssertNone(Action step)
    {
        for (int i = 0; i < Rounds; i++)
            step();
        long[] allocated = new long[Rounds];
        for (int i = 0; i < Rounds; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            step();
            allocated[i] = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        // The runtime itself does so once in a while, on any thread.
        Assert.True(allocated.Count(bytes => bytes > 0) <= 1, $"bytes a round: {string.Join(", ", allocated)}");
    }
}
