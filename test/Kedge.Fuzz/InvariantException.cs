namespace Kedge.Fuzz;

/// <summary>Thrown by a target when what it watches does not hold: the code under test is wrong, or the target is.</summary>
/// <param name="invariant">The sentence that does not hold. Fixed text, so that two failures of one kind are known as one.</param>
/// <param name="detail">The values with which it does not hold.</param>
public sealed class InvariantException(string invariant, string detail = "")
    : Exception(detail.Length == 0 ? invariant : $"{invariant}: {detail}")
{
    /// <summary>The sentence that does not hold.</summary>
    public string Invariant { get; } = invariant;
}

/// <summary>Says what must hold, in sentences.</summary>
public static class Invariant
{
    /// <summary>Throws unless <paramref name="holds"/>.</summary>
    /// <exception cref="InvariantException">It does not.</exception>
    public static void Holds(bool holds, string invariant)
    {
        if (!holds)
            throw new InvariantException(invariant);
    }

    /// <summary>Throws unless <paramref name="actual"/> equals <paramref name="expected"/>.</summary>
    /// <exception cref="InvariantException">It does not.</exception>
    public static void Equal<T>(T expected, T actual, string invariant)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
            throw new InvariantException(invariant, $"expected {expected}, got {actual}");
    }
}
