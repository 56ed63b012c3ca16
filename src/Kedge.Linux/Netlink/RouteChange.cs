namespace Kedge.Linux.Netlink;

/// <summary>What a change is about.</summary>
public enum RouteChangeKind
{
    /// <summary>Anything: the kernel had more to tell than it had room for.</summary>
    Unknown,

    /// <summary>An interface.</summary>
    Link,

    /// <summary>An address of an interface.</summary>
    Address,

    /// <summary>A route.</summary>
    Route,

    /// <summary>A rule.</summary>
    Rule,
}

/// <summary>A change to a namespace's links, addresses, routes or rules, of either family.</summary>
/// <param name="Kind">What it is about.</param>
/// <param name="IsDeleted">Whether it is gone; else it is new or changed.</param>
public readonly record struct RouteChange(RouteChangeKind Kind, bool IsDeleted)
{
    /// <summary>The index of the interface; 0 for a rule, and for a route, whose table says more.</summary>
    public int Index { get; init; }

    /// <summary>The interface, where the change is about one itself; null for the rest.</summary>
    public NetworkLink? Link { get; init; }

    /// <summary>The table of a route or rule.</summary>
    public int Table { get; init; }

    /// <summary>Who has added it; 0 where that is not said.</summary>
    public byte Protocol { get; init; }
}
