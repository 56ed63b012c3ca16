using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Mesh;

/// <summary>Prefixes and the WireGuard keys of their owners; no two of them have an address in common. One thread at a time.</summary>
internal sealed class AdmittedPrefixes
{
    // Ordered by first address: since none contains another, only the two neighbours of a prefix can overlap it.
    private readonly SortedSet<(IpPrefix Prefix, PublicKey Owner)> _prefixes =
        new(Comparer<(IpPrefix Prefix, PublicKey Owner)>.Create((a, b) => a.Prefix.CompareTo(b.Prefix)));

    /// <summary>Whose prefix has an address in common with this one; null for nobody's.</summary>
    public PublicKey? FindOverlap(IpPrefix prefix)
    {
        if (_prefixes.Count == 0)
            return null;
        (IpPrefix Prefix, PublicKey Owner) place = (prefix, default);
        (IpPrefix Prefix, PublicKey Owner) before = _prefixes.GetViewBetween(_prefixes.Min.Prefix.CompareTo(prefix) <= 0 ? _prefixes.Min : place, place).Max;
        if (before != default && ReservedPrefixes.Overlap(before.Prefix, prefix))
            return before.Owner;
        (IpPrefix Prefix, PublicKey Owner) after = _prefixes.GetViewBetween(place, _prefixes.Max.Prefix.CompareTo(prefix) >= 0 ? _prefixes.Max : place).Min;
        return after != default && ReservedPrefixes.Overlap(after.Prefix, prefix) ? after.Owner : null;
    }

    /// <summary>Adds a prefix that overlaps none.</summary>
    public void Add(IpPrefix prefix, PublicKey owner) => _prefixes.Add((prefix, owner));

    /// <summary>Takes a prefix away.</summary>
    public void Remove(IpPrefix prefix) => _prefixes.Remove((prefix, default));
}
