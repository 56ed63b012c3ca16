using System.Threading;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The memory shared by the staged packets of all peers of a device. A peer that holds nothing gets room for a packet as long as there is
/// any. A peer that wants more may hold at most a sixteenth of what is left of the first half, a dynamic threshold as in switches with a
/// shared buffer: a single peer gets all it needs, many get less each, and the second half is kept for peers that come later. Any thread.
/// </summary>
/// <param name="maximumBytes">The bound; positive.</param>
public sealed class StagingMemory(long maximumBytes = StagingMemory.DefaultMaximum)
{
    /// <summary>The bound of a device, 16 MiB.</summary>
    public const long DefaultMaximum = 16 << 20;

    private const int Share = 16;

    private long _used;

    /// <summary>Bytes in use.</summary>
    public long Used => Interlocked.Read(ref _used);

    /// <summary>Takes memory for a peer.</summary>
    /// <param name="bytes">How much more it wants.</param>
    /// <param name="total">How much it would hold in all; equal to <paramref name="bytes"/> for a peer that holds nothing.</param>
    /// <returns>False, with nothing taken, if that is more than its share.</returns>
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

    /// <summary>Returns memory.</summary>
    public void Return(int bytes) => Interlocked.Add(ref _used, -bytes);
}
