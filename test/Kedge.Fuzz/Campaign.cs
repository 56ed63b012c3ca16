namespace Kedge.Fuzz;

/// <summary>
/// A series of runs of one target: takes an input that is known, changes it, runs it, and keeps it where it showed something new. The same
/// seed, corpus and number of runs do the same, always. Owned by one thread, but for <see cref="Current"/> and <see cref="Runs"/>.
/// </summary>
public sealed class Campaign
{
    private const int MaximumPool = 4096;

    private readonly Target _target;
    private readonly Mutator _mutator;
    private readonly Trace _trace = new();
    private readonly List<byte[]> _pool = [];
    private readonly Queue<byte[]> _given;
    private volatile byte[] _current = [];
    private long _runs;

    /// <summary>A campaign that has run nothing.</summary>
    /// <param name="target">The target.</param>
    /// <param name="seed">What all choices follow from.</param>
    /// <param name="corpus">The inputs to begin with; they are run first, in this order.</param>
    public Campaign(Target target, int seed, IEnumerable<byte[]> corpus)
    {
        _target = target;
        _mutator = new Mutator(seed, target.Dictionary, target.MaximumLength);
        _given = new Queue<byte[]>(corpus);
        _given.Enqueue([]);
    }

    /// <summary>Inputs run so far. Any thread.</summary>
    public long Runs => Interlocked.Read(ref _runs);

    /// <summary>The input that is being run. Any thread.</summary>
    public byte[] Current => _current;

    /// <summary>Inputs that have shown something new.</summary>
    public int Kept => _pool.Count;

    /// <summary>How many different steps have been seen.</summary>
    public int Known => _trace.Known;

    /// <summary>Runs the next input.</summary>
    /// <returns>What was found; null where the input is harmless.</returns>
    public Finding? Step()
    {
        _current = _given.TryDequeue(out byte[]? given) ? given : _mutator.Mutate(Any(), Any());
        Interlocked.Increment(ref _runs);
        _trace.Begin();
        if (Try(_target, _current, _trace) is { } failure)
            return new Finding(_current, failure);
        if (_trace.Learn())
            Keep(_current);
        return null;
    }

    /// <summary>Runs an input, and gives back what it throws; null where it throws nothing.</summary>
    public static Exception? Try(Target target, byte[] input, Trace trace)
    {
        try
        {
            target.Run(input, trace);
            return null;
        }
#pragma warning disable CA1031 // Whatever it is, it is what we are looking for.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            return failure;
        }
    }

    private byte[] Any() => _pool.Count == 0 ? [] : _pool[_mutator.Pick(_pool.Count)];

    private void Keep(byte[] input)
    {
        if (_pool.Count < MaximumPool)
            _pool.Add(input);
        else
            _pool[_mutator.Pick(_pool.Count)] = input;
    }
}
