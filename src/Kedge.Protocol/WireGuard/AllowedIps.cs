using System.Threading;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// WireGuard's cryptokey routing table: who gets the packets for an address, and who alone may send packets from it. Every prefix has
/// exactly one owner, and an address belongs to the owner of the longest prefix that contains it. A packet from inside the tunnel
/// is accepted only where <see cref="Find"/> of its source is the peer whose key opened it: overlapping prefixes never let one
/// peer speak for another.
/// <para>
/// Threads: one writer, which makes a new version of the table and publishes it in one step; any number of readers, which call
/// <see cref="Find"/> without a lock and see the version before a change or the one after it, nothing between. All other members
/// belong to the writer.
/// </para>
/// </summary>
/// <typeparam name="TOwner">A peer. Owners are told apart by reference.</typeparam>
public sealed class AllowedIps<TOwner> where TOwner : class
{
    private static readonly Comparer<IpPrefix> Order = Comparer<IpPrefix>.Create((a, b) => a.CompareTo(b));

    private readonly Dictionary<TOwner, SortedSet<IpPrefix>> _prefixes = new(ReferenceEqualityComparer.Instance);
    private PrefixTrie<TOwner> _owners = PrefixTrie<TOwner>.Empty; // the published version

    /// <summary>
    /// The owner of the longest prefix that contains <paramref name="address"/>; null where there is none. Any thread; allocates nothing.
    /// </summary>
    public TOwner? Find(IpAddress address) => Volatile.Read(ref _owners).FindLongest(address);

    /// <summary>Gives <paramref name="prefix"/> to <paramref name="owner"/>, and takes it from whoever had it.</summary>
    /// <exception cref="ArgumentException">There is no prefix.</exception>
    public void Insert(IpPrefix prefix, TOwner owner)
    {
        TOwner? previous = _owners.Find(prefix);
        if (ReferenceEquals(previous, owner))
            return;
        PrefixTrie<TOwner> owners = _owners.With(prefix, owner);
        if (previous is not null)
            Forget(prefix, previous);
        if (!_prefixes.TryGetValue(owner, out SortedSet<IpPrefix>? prefixes))
            _prefixes.Add(owner, prefixes = new SortedSet<IpPrefix>(Order));
        prefixes.Add(prefix);
        Volatile.Write(ref _owners, owners);
    }

    /// <summary>Takes <paramref name="prefix"/> from <paramref name="owner"/>; addresses in it fall to the next shorter prefix.</summary>
    /// <returns>False, and nothing changes, where the prefix is not this owner's.</returns>
    public bool Remove(IpPrefix prefix, TOwner owner)
    {
        if (prefix.IsNone || !ReferenceEquals(_owners.Find(prefix), owner))
            return false;
        Forget(prefix, owner);
        Volatile.Write(ref _owners, _owners.Without(prefix));
        return true;
    }

    /// <summary>Takes all prefixes from <paramref name="owner"/>, in one step.</summary>
    public void RemoveAll(TOwner owner)
    {
        if (!_prefixes.Remove(owner, out SortedSet<IpPrefix>? prefixes))
            return;
        PrefixTrie<TOwner> owners = _owners;
        foreach (IpPrefix prefix in prefixes)
            owners = owners.Without(prefix);
        Volatile.Write(ref _owners, owners);
    }

    /// <summary>The prefixes of <paramref name="owner"/> as they are now: IPv4 first, then by address, then by length.</summary>
    public IReadOnlyList<IpPrefix> PrefixesOf(TOwner owner) =>
        _prefixes.TryGetValue(owner, out SortedSet<IpPrefix>? prefixes) ? [.. prefixes] : [];

    private void Forget(IpPrefix prefix, TOwner owner)
    {
        SortedSet<IpPrefix> prefixes = _prefixes[owner];
        prefixes.Remove(prefix);
        if (prefixes.Count == 0)
            _prefixes.Remove(owner);
    }
}
