namespace Kedge.Node.Routing;

/// <summary>What <see cref="Router.Apply"/> has found and done.</summary>
public sealed record RoutingResult
{
    /// <summary>The interface's index.</summary>
    public required int Index { get; init; }

    /// <summary>What was missing and is there now.</summary>
    public RoutingAdditions Added { get; init; }

    /// <summary>What the kernel refused, one sentence without an end each. The rest was done all the same.</summary>
    public IReadOnlyList<string> Failures { get; init; } = [];

    /// <summary>Whether packets can pass: the interface is up and has an address, of those that it can have.</summary>
    public required bool IsUp { get; init; }

    /// <summary>Why the interface has no IPv6 though it is wanted: its IPv6 addresses and routes are left out.</summary>
    public MissingIPv6 MissingIPv6 { get; init; }

    /// <summary>What was left out because another overlay of this machine has it.</summary>
    public IReadOnlyList<PrefixConflict> Conflicts { get; init; } = [];

    /// <summary>What other overlays of this machine have, and this one must leave to them.</summary>
    public IReadOnlyList<PrefixClaim> Foreign { get; init; } = [];
}

/// <summary>Why an interface has no IPv6.</summary>
public enum MissingIPv6
{
    /// <summary>It has, or need not have it.</summary>
    None,

    /// <summary>The kernel has none at all.</summary>
    NoKernelSupport,

    /// <summary>The interface's MTU is below 1280, the least that IPv6 allows (RFC 8200 section 5).</summary>
    SmallMtu,

    /// <summary>It is switched off for the interface (<c>disable_ipv6</c>).</summary>
    SwitchedOff,
}

/// <summary>How much was added.</summary>
/// <param name="Links">1 where the interface was down or had another MTU.</param>
/// <param name="Addresses">Addresses.</param>
/// <param name="Routes">Routes.</param>
/// <param name="Rules">Rules.</param>
public readonly record struct RoutingAdditions(int Links, int Addresses, int Routes, int Rules)
{
    /// <summary>Whether there is anything.</summary>
    public bool Any => Links + Addresses + Routes + Rules > 0;

    /// <summary>Both together.</summary>
    public static RoutingAdditions operator +(RoutingAdditions a, RoutingAdditions b) =>
        new(a.Links + b.Links, a.Addresses + b.Addresses, a.Routes + b.Routes, a.Rules + b.Rules);
}
