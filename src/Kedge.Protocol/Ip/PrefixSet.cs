namespace Kedge.Protocol.Ip;

/// <summary>Sets of addresses that are given as prefixes.</summary>
public static class PrefixSet
{
    /// <summary>The fewest prefixes that hold exactly the same addresses, in ascending order: no two of them overlap, and no two are the
    /// halves of one.</summary>
    /// <param name="prefixes">Prefixes of both families, in any order; repetitions and none are allowed.</param>
    public static IReadOnlyList<IpPrefix> Minimize(IEnumerable<IpPrefix> prefixes)
    {
        ArgumentNullException.ThrowIfNull(prefixes);
        List<IpPrefix> kept = [];
        foreach (IpPrefix prefix in prefixes.Where(prefix => !prefix.IsNone).Order(Comparer<IpPrefix>.Create((a, b) => a.CompareTo(b))))
        {
            // A prefix stands before those inside it.
            if (kept.Count > 0 && kept[^1].Contains(prefix.Address))
                continue;
            kept.Add(prefix);
            while (kept.Count > 1 && TryJoin(kept[^2], kept[^1], out IpPrefix whole))
            {
                kept.RemoveRange(kept.Count - 2, 2);
                kept.Add(whole);
            }
        }
        return kept;
    }

    private static bool TryJoin(IpPrefix first, IpPrefix second, out IpPrefix whole)
    {
        whole = default;
        if (first.Length != second.Length || first.Length == 0 || first.Address.Size != second.Address.Size)
            return false;
        whole = new IpPrefix(first.Address, first.Length - 1);
        return whole.Contains(second.Address);
    }
}
