namespace Kedge.Bench.Dataplane;

/// <summary>Something that is measured, which gives one figure or several.</summary>
/// <param name="Of">Measures a path; as many values as there are figures, in their order.</param>
/// <param name="Figures">What the values are.</param>
internal sealed record Measurement(Func<BenchPath, double[]> Of, params IReadOnlyList<Figure> Figures)
{
    /// <summary>Under what it is measured.</summary>
    public Conditions Conditions { get; init; } = new();

    /// <summary>Whether it speaks of WireGuard's own doings, which no other contender has.</summary>
    public bool IsOfWireGuard { get; init; }

    /// <summary>Measures a contender once.</summary>
    public double[] Measure(Contender contender)
    {
        using BenchPath path = BenchPath.Open(contender, Conditions);
        return Of(path);
    }

    /// <summary>Whether it makes sense for a contender.</summary>
    public bool Suits(Contender contender) => Conditions.Mtu <= contender.MaximumMtu && (contender is WireGuard || !IsOfWireGuard);
}

/// <summary>A row of the table.</summary>
/// <param name="Name">What it says, with its unit.</param>
/// <param name="IsLessBetter">Whether it is a cost.</param>
/// <param name="Format">How its values are written.</param>
internal sealed record Figure(string Name, bool IsLessBetter = false, string Format = "N0")
{
    /// <summary>A cost, with two digits after the point.</summary>
    public static Figure Cost(string name) => new(name, IsLessBetter: true, "F2");
}
