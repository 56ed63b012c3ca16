using System.Threading;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The memory that the staged packets of all peers of a device share. A peer that holds nothing gets room for a packet as long as there is
/// any. One that wants more may hold at most a sixteenth of what is left of the first half (a dynamic threshold, as switches divide a shared
/// buffer): a single one gets what it needs, many get less each, and the second half is there for those that come later. Any thread.
/// </summary>
/// <param name="maximumBytes">The bound; positive.</param>
public sealed class StagingMemory(long maximumBytes = StagingMemory.DefaultMaximum)
{
    /// <summary>The bound of a device, 16 MiB.</summary>
    public const long DefaultMaximum = 16 << 20;

    private const int Share = 16;

    private long _used;

    /// <summary>Bytes that are held.</summary>
    public long Used => Interlocked.Read(ref _used);

    /// <summary>Takes memory for a peer.</summary>
    /// <param name="bytes">How much more it wants.</param>
    /// <param name="total">How much it would hold then; as much as <paramref name="bytes"/> for one that holds nothing.</param>
    /// <returns>False, with nothing taken, when that is more than it may have.</returns>
    public bool TryTake(int bytes, int total)
    {
        while (true)
        {
            long used = Used;
            bool isAllowed = bytes == total
                ? bytes <= maximumBytes - used
                : total <= (maximumBytes / 2 - used) / Share;
            if (!isAllowed)
                return false;
            if (Interlocked.CompareExchange(ref _used, used + bytes, used) == used)
                return true;
        }
    }

    /// <summary>Gives memory back.</summary>
    public void Return(int bytes) => Interlocked.Add(ref _used, -bytes);
}
