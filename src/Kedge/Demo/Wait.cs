using System.Diagnostics;

namespace Kedge.Demo;

/// <summary>Waiting for a condition that nothing announces.</summary>
public static class Wait
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Returns as soon as <paramref name="condition"/> holds; asks it every 10 ms.</summary>
    /// <exception cref="TimeoutException">
    /// <paramref name="what"/>, which should name the awaited, did not come within <paramref name="timeout"/>.
    /// </exception>
    public static void Until(Func<bool> condition, TimeSpan timeout, string what)
    {
        ArgumentNullException.ThrowIfNull(condition);
        if (!TryUntil(condition, timeout))
            throw new TimeoutException($"Not within {timeout.TotalSeconds:0.###} s: {what}.");
    }

    /// <summary>Whether <paramref name="condition"/> came to hold within <paramref name="timeout"/>; asks it every 10 ms.</summary>
    public static bool TryUntil(Func<bool> condition, TimeSpan timeout)
    {
        ArgumentNullException.ThrowIfNull(condition);
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > timeout)
                return false;
            Thread.Sleep(Pause);
        }
        return true;
    }
}
