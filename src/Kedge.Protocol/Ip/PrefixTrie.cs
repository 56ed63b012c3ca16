namespace Kedge.Protocol.Ip;

/// <summary>
/// An immutable map from prefixes of both families to values, searched by longest match: a path-compressed binary trie. A change
/// returns a new trie that shares all but the changed path with the old one, so any number of threads may search any version while
/// one makes the next.
/// </summary>
/// <typeparam name="TValue">What a prefix stands for.</typeparam>
public sealed class PrefixTrie<TValue> where TValue : class
{
    /// <summary>The trie without any prefix.</summary>
    public static readonly PrefixTrie<TValue> Empty = new(null, null);

    private readonly Node? _ipv4;
    private readonly Node? _ipv6;

    private PrefixTrie(Node? ipv4, Node? ipv6) => (_ipv4, _ipv6) = (ipv4, ipv6);

    /// <summary>The value of the longest prefix that contains <paramref name="address"/>, or null. Allocates nothing.</summary>
    public TValue? FindLongest(IpAddress address)
    {
        TValue? found = null;
        Node? node = address.IsIPv4 ? _ipv4 : _ipv6;
        while (node is not null && node.Prefix.Contains(address))
        {
            found = node.Value ?? found;
            node = node.ChildTowards(address);
        }
        return found;
    }

    /// <summary>The value of exactly <paramref name="prefix"/>, or null. Allocates nothing.</summary>
    public TValue? Find(IpPrefix prefix)
    {
        Node? node = RootOf(prefix);
        while (node is not null && node.Prefix.Length < prefix.Length)
            node = node.ChildTowards(prefix.Address);
        return node?.Prefix == prefix ? node.Value : null;
    }

    /// <summary>A trie in which <paramref name="prefix"/> has <paramref name="value"/>, whatever it had before.</summary>
    public PrefixTrie<TValue> With(IpPrefix prefix, TValue value) => WithRoot(prefix, Insert(RootOf(prefix), prefix, value));

    /// <summary>A trie in which <paramref name="prefix"/> has no value.</summary>
    public PrefixTrie<TValue> Without(IpPrefix prefix) => WithRoot(prefix, Remove(RootOf(prefix), prefix));

    private Node? RootOf(IpPrefix prefix) => prefix.Address.IsIPv4 ? _ipv4 : _ipv6;

    private PrefixTrie<TValue> WithRoot(IpPrefix prefix, Node? root) =>
        prefix.Address.IsIPv4 ? new(root, _ipv6) : new(_ipv4, root);

    private static Node Insert(Node? node, IpPrefix prefix, TValue value)
    {
        if (node is null)
            return new Node(prefix, value, null, null);
        if (node.Prefix == prefix)
            return new Node(prefix, value, node.Zero, node.One);
        int common = Math.Min(node.Prefix.Address.CommonPrefixLength(prefix.Address), Math.Min(node.Prefix.Length, prefix.Length));
        if (common == node.Prefix.Length)
            return node.WithChildTowards(prefix.Address, Insert(node.ChildTowards(prefix.Address), prefix, value));
        Node parent = common == prefix.Length
            ? new Node(prefix, value, null, null)
            : new Node(new IpPrefix(prefix.Address, common), null, null, null)
                .WithChildTowards(prefix.Address, new Node(prefix, value, null, null));
        return parent.WithChildTowards(node.Prefix.Address, node);
    }

    private static Node? Remove(Node? node, IpPrefix prefix)
    {
        if (node is null || node.Prefix.Length > prefix.Length)
            return node;
        if (node.Prefix == prefix)
            return new Node(prefix, null, node.Zero, node.One).Collapsed();
        Node? child = node.ChildTowards(prefix.Address);
        Node? remaining = Remove(child, prefix);
        return ReferenceEquals(child, remaining) ? node : node.WithChildTowards(prefix.Address, remaining).Collapsed();
    }

    /// <summary>
    /// A prefix, and the longer ones inside it by their next bit. A node without a value is a fork: it exists only to hold two children.
    /// </summary>
    private sealed class Node(IpPrefix prefix, TValue? value, Node? zero, Node? one)
    {
        public readonly IpPrefix Prefix = prefix;
        public readonly TValue? Value = value;
        public readonly Node? Zero = zero;
        public readonly Node? One = one;

        /// <summary>The child on the side of an address inside <see cref="Prefix"/>; a prefix of full length has none.</summary>
        public Node? ChildTowards(IpAddress address) => address.Bit(Prefix.Length) == 0 ? Zero : One;

        public Node WithChildTowards(IpAddress address, Node? child) =>
            address.Bit(Prefix.Length) == 0 ? new Node(Prefix, Value, child, One) : new Node(Prefix, Value, Zero, child);

        public Node? Collapsed() => Value is null && (Zero is null || One is null) ? Zero ?? One : this;
    }
}
