namespace Kedge.Fuzz;

/// <summary>
/// A piece of code that takes bytes from strangers, and what must hold whatever the bytes are. A target keeps nothing from one run to the
/// next: the same input always does the same. Runs are one at a time.
/// </summary>
public abstract class Target
{
    /// <summary>The name on the command line, and of the folder in the corpus.</summary>
    public abstract string Name { get; }

    /// <summary>The longest input in bytes that is worth trying.</summary>
    public virtual int MaximumLength => 256;

    /// <summary>How many inputs the unit tests try: what takes about half a second.</summary>
    public abstract int ShortRun { get; }

    /// <summary>Byte strings that mean something to the code, and that mutation would hardly find.</summary>
    public virtual IReadOnlyList<byte[]> Dictionary => [];

    /// <summary>Runs one input.</summary>
    /// <param name="input">At most <see cref="MaximumLength"/> bytes.</param>
    /// <param name="trace">Takes remarks about what happens.</param>
    /// <exception cref="InvariantException">Something does not hold. Any other exception is a failure as well.</exception>
    public abstract void Run(ReadOnlySpan<byte> input, Trace trace);
}
