namespace Kedge.Fuzz;

/// <summary>An input on which a target failed.</summary>
/// <param name="Input">The input.</param>
/// <param name="Failure">What it threw.</param>
public sealed record Finding(byte[] Input, Exception Failure)
{
    /// <summary>What kind of failure it is: the same for all inputs that fail in the same way.</summary>
    public string Kind => KindOf(Failure);

    /// <inheritdoc cref="Kind"/>
    public static string KindOf(Exception failure) =>
        failure is InvariantException broken ? broken.Invariant : $"{failure.GetType().Name} in {failure.TargetSite?.DeclaringType?.Name}.{failure.TargetSite?.Name}";
}
