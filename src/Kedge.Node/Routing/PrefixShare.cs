using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>Which of the prefixes that an interface wants it gets beside the other overlays of the machine.</summary>
internal sealed record PrefixShare
{
    /// <summary>All that it gets, as it was asked for: the routes.</summary>
    public required IReadOnlyList<IpPrefix> All { get; init; }

    /// <summary>The zone's own prefixes that it gets, as few as hold the same addresses: the rules.</summary>
    public required IReadOnlyList<IpPrefix> Zone { get; init; }

    /// <summary>The networks behind peers that it gets, as few as hold the same addresses.</summary>
    public required IReadOnlyList<IpPrefix> Child { get; init; }

    /// <summary>What it does not get.</summary>
    public required IReadOnlyList<PrefixConflict> Conflicts { get; init; }

    /// <summary>What others have, and it must leave to them.</summary>
    public required IReadOnlyList<PrefixClaim> Foreign { get; init; }

    /// <summary>Shares out.</summary>
    /// <param name="desired">What is wanted.</param>
    /// <param name="index">The interface's index.</param>
    /// <param name="claims">What all overlay interfaces have now, this one among them.</param>
    public static PrefixShare Of(InterfaceRouting desired, int index, IReadOnlyList<PrefixClaim> claims)
    {
        PrefixClaim[] held = [.. claims.Where(claim => claim.Index == index)];
        PrefixClaim[] others = [.. claims.Where(claim => claim.Index != index)];
        List<PrefixConflict> conflicts = [];
        IpPrefix[] zone = [.. desired.ZonePrefixes.Distinct().Where(prefix => Gets(prefix, isZone: true))];
        IpPrefix[] child = [.. desired.ChildPrefixes.Distinct().Where(prefix => Gets(prefix, isZone: false))];
        IReadOnlyList<IpPrefix> zoneCover = PrefixSet.Minimize(zone);
        return new PrefixShare
        {
            All = [.. zone.Union(child)],
            Zone = zoneCover,
            // One inside the zone has its rules already.
            Child = PrefixSet.Minimize(child.Where(prefix => !zoneCover.Any(outer => Contains(outer, prefix)))),
            Conflicts = conflicts,
            Foreign = [.. others.Where(claim => !Yields(claim))],
        };

        bool Gets(IpPrefix prefix, bool isZone)
        {
            if (Array.Find(others, claim => claim.Precludes(prefix, index, isZone, IsHeld(prefix, isZone))) is not { } claim)
                return true;
            conflicts.Add(new PrefixConflict(prefix, claim));
            return false;
        }

        bool IsHeld(IpPrefix prefix, bool isZone) => Array.Exists(held, claim => claim.IsZone == isZone && Contains(claim.Prefix, prefix));

        bool Yields(PrefixClaim claim) => YieldsTo(claim, zone, isZone: true) || YieldsTo(claim, child, isZone: false);

        bool YieldsTo(PrefixClaim claim, IpPrefix[] prefixes, bool isZone) => Array.Exists(
            prefixes, prefix => new PrefixClaim(prefix, index, isZone).Precludes(claim.Prefix, claim.Index, claim.IsZone, isHeld: true));
    }

    private static bool Contains(IpPrefix outer, IpPrefix inner) => outer.Length <= inner.Length && outer.Contains(inner.Address);
}
