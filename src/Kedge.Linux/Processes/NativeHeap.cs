using Kedge.Linux.Interop;

namespace Kedge.Linux.Processes;

/// <summary>The C library's heap of this process: what OpenSSL and SQLite allocate, beside the managed heap.</summary>
public static class NativeHeap
{
    /// <summary>Gives pages back to the kernel that nothing is in any more. Takes some milliseconds, in which allocations may wait.</summary>
    public static void ReturnFree()
    {
        try
        {
            _ = Libc.malloc_trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library, which does so by itself or not at all.
        }
    }

    /// <summary>
    /// Sets how many arenas there are at most. glibc makes up to eight a processor, each of which keeps what its threads have freed: a
    /// process whose connections come and go on all threads of the pool grows by all of them. To be called before many threads run.
    /// </summary>
    /// <param name="count">At least 1.</param>
    /// <returns>Whether the C library took it; one without arenas does not.</returns>
    public static bool LimitArenas(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        try
        {
            return Libc.mallopt(Libc.M_ARENA_MAX, count) == 1;
        }
        catch (EntryPointNotFoundException)
        {
            return false;
        }
    }
}
