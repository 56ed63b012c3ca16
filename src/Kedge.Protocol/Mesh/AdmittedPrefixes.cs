using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Mesh;

/// <summary>Prefixes and whose they are; no two of them have an address in common. One thread at a time.</summary>
internal sealed class AdmittedPrefixes
{
    private static readonly Guid Least = Guid.Empty;

    // Ordered by first address: since none contains another, only the two neighbours of a prefix can overlap it.
    private readonly SortedSet<(IpPrefix Prefix, Guid Owner)> _prefixes =
        new(Comparer<(IpPrefix Prefix, Guid Owner)>.Create((a, b) => a.Prefix.CompareTo(b.Prefix)));

    /// <summary>Whose prefix has an address in common with this one; null for nobody's.</summary>
    public Guid? FindOverlap(IpPrefix prefix)
    {
        if (_prefixes.Count == 0)
            return null;
        (IpPrefix Prefix, Guid Owner) place = (prefix, Least);
        (IpPrefix Prefix, Guid Owner) before = _prefixes.GetViewBetween(_prefixes.Min.Prefix.CompareTo(prefix) <= 0 ? _prefixes.Min : place, place).Max;
        if (before != default && ReservedPrefixes.Overlap(before.Prefix, prefix))
            return before.Owner;
        (IpPrefix Prefix, Guid Owner) after = _prefixes.GetViewBetween(place, _prefixes.Max.Prefix.CompareTo(prefix) >= 0 ? _prefixes.Max : place).Min;
        return after != default && ReservedPrefixes.Overlap(after.Prefix, prefix) ? after.Owner : null;
    }

    /// <summary>Adds a prefix that overlaps none.</summary>
    public void Add(IpPrefix prefix, Guid owner) => _prefixes.Add((prefix, owner));

    /// <summary>Takes a prefix away.</summary>
    public void Remove(IpPrefix prefix) => _prefixes.Remove((prefix, Least));
}
