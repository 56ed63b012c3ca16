namespace Kedge.Fuzz;

/// <summary>
/// What a target says about a run while it runs, so that inputs with new behaviour can be told from the rest. Each remark counts together
/// with the one before it: what matters is which step followed which, and roughly how often.
/// </summary>
public sealed class Trace
{
    private const int Size = 1 << 15; // a power of two: remarks are folded into so many places

    private readonly byte[] _counts = new byte[Size];
    private readonly byte[] _seen = new byte[Size];
    private readonly List<int> _touched = [];
    private uint _previous;

    /// <summary>How many different steps all runs together have shown.</summary>
    public int Known { get; private set; }

    /// <summary>Notes that something happened.</summary>
    /// <param name="what">Which remark of the target it is; small numbers.</param>
    /// <param name="value">What it was about: an outcome, a size class. Few different ones, or everything looks new.</param>
    public void Note(int what, int value = 0)
    {
        uint current = (uint)HashOf(what, value);
        int place = (int)((current ^ (_previous >> 1)) % Size);
        _previous = current;
        if (_counts[place] == 0)
            _touched.Add(place);
        if (_counts[place] < byte.MaxValue)
            _counts[place]++;
    }

    /// <summary>Forgets the last run's remarks, for the next one.</summary>
    public void Begin()
    {
        foreach (int place in _touched)
            _counts[place] = 0;
        _touched.Clear();
        _previous = 0;
    }

    /// <summary>Remembers this run's remarks.</summary>
    /// <returns>Whether there was anything that no run before has shown.</returns>
    public bool Learn()
    {
        bool isNew = false;
        foreach (int place in _touched)
        {
            byte bucket = BucketOf(_counts[place]);
            if ((_seen[place] & bucket) != 0)
                continue;
            if (_seen[place] == 0)
                Known++;
            _seen[place] |= bucket;
            isNew = true;
        }
        return isNew;
    }

    // Once, twice, three times, then powers of two: a loop's length matters only roughly.
    private static byte BucketOf(byte count) => count switch
    {
        1 => 1,
        2 => 2,
        3 => 4,
        < 8 => 8,
        < 16 => 16,
        < 32 => 32,
        < 128 => 64,
        _ => 128,
    };

    // Not HashCode: that differs from process to process.
    private static int HashOf(int what, int value)
    {
        uint hash = ((uint)what * 0x9E3779B1) ^ ((uint)value * 0x85EBCA77);
        hash ^= hash >> 15;
        hash *= 0xC2B2AE3D;
        return (int)(hash ^ (hash >> 13));
    }
}
