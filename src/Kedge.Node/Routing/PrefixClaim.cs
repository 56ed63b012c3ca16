using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>A prefix that an overlay interface of this program has in a network namespace. It belongs to one interface.</summary>
/// <param name="Prefix">The prefix.</param>
/// <param name="Index">The interface's index.</param>
/// <param name="IsZone">Whether it is a zone's own prefix, which precedes networks behind peers: those come later, from the map.</param>
public sealed record PrefixClaim(IpPrefix Prefix, int Index, bool IsZone)
{
    /// <summary>
    /// Whether an interface must leave a prefix to this claim of another one. First come, first kept; where both have it already, because
    /// they came at the same time, the lower index keeps it.
    /// </summary>
    /// <param name="prefix">What the other interface wants.</param>
    /// <param name="index">Its index.</param>
    /// <param name="isZone">Whether it is its zone's own prefix.</param>
    /// <param name="isHeld">Whether it has the prefix already.</param>
    public bool Precludes(IpPrefix prefix, int index, bool isZone, bool isHeld)
    {
        if (Index == index || !ReservedPrefixes.Overlap(Prefix, prefix))
            return false;
        if (IsZone != isZone)
            return IsZone;
        return !isHeld || Index < index;
    }
}

/// <summary>A prefix that an interface does not get, because another overlay of the machine has it.</summary>
/// <param name="Prefix">What was wanted.</param>
/// <param name="Claim">Who has it, or some of it.</param>
public sealed record PrefixConflict(IpPrefix Prefix, PrefixClaim Claim);
