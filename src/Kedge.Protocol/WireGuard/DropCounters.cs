using System.Threading;

namespace Kedge.Protocol.WireGuard;

/// <summary>How much was dropped, by reason. Any thread may count and read.</summary>
public sealed class DropCounters
{
    private readonly long[] _counts = new long[Enum.GetValues<DropReason>().Length];

    /// <summary>How often this reason was counted.</summary>
    public long this[DropReason reason] => Volatile.Read(ref _counts[(int)reason]);

    /// <summary>Counts <paramref name="count"/> drops.</summary>
    public void Add(DropReason reason, int count = 1)
    {
        if (count != 0)
            Interlocked.Add(ref _counts[(int)reason], count);
    }
}
