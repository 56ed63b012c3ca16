using System.Runtime.CompilerServices;

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
        while (node is not null)
        {
            // Forks are not compared: where one does not contain the address, neither does any prefix below it.
            if (node.Value is not null)
            {
                if (!node.Prefix.Contains(address))
                    break;
                found = node.Value;
            }
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
    /// <exception cref="ArgumentException">There is no prefix.</exception>
    public PrefixTrie<TValue> With(IpPrefix prefix, TValue value) => prefix.IsNone
        ? throw new ArgumentException("There is no prefix to insert.", nameof(prefix))
        : WithRoot(prefix, Insert(RootOf(prefix), prefix, value));

    /// <summary>A trie in which <paramref name="prefix"/> has no value.</summary>
    public PrefixTrie<TValue> Without(IpPrefix prefix) => WithRoot(prefix, Remove(RootOf(prefix), prefix));

    private Node? RootOf(IpPrefix prefix) => prefix.Address.IsIPv4 ? _ipv4 : _ipv6;

    private PrefixTrie<TValue> WithRoot(IpPrefix prefix, Node? root) =>
        prefix.Address.IsIPv4 ? new(root, _ipv6) : new(_ipv4, root);

    private static Node Insert(Node? node, IpPrefix prefix, TValue value)
    {
        if (node is null)
            return new Node(prefix, value, default);
        if (node.Prefix == prefix)
            return new Node(prefix, value, node.Children);
        int common = Math.Min(node.Prefix.Address.CommonPrefixLength(prefix.Address), Math.Min(node.Prefix.Length, prefix.Length));
        if (common == node.Prefix.Length)
            return node.WithChildTowards(prefix.Address, Insert(node.ChildTowards(prefix.Address), prefix, value));
        Node parent = common == prefix.Length
            ? new Node(prefix, value, default)
            : new Node(new IpPrefix(prefix.Address, common), null, default)
                .WithChildTowards(prefix.Address, new Node(prefix, value, default));
        return parent.WithChildTowards(node.Prefix.Address, node);
    }

    private static Node? Remove(Node? node, IpPrefix prefix)
    {
        if (node is null || node.Prefix.Length > prefix.Length)
            return node;
        if (node.Prefix == prefix)
            return new Node(prefix, null, node.Children).Collapsed();
        Node? child = node.ChildTowards(prefix.Address);
        Node? remaining = Remove(child, prefix);
        return ReferenceEquals(child, remaining) ? node : node.WithChildTowards(prefix.Address, remaining).Collapsed();
    }

    /// <summary>
    /// A prefix, and the longer ones inside it by their next bit. A node without a value is a fork: it exists only to hold two children.
    /// </summary>
    private sealed class Node(IpPrefix prefix, TValue? value, Children children)
    {
        public readonly IpPrefix Prefix = prefix;
        public readonly TValue? Value = value;
        public readonly Children Children = children;

        /// <summary>The child on the side of an address; a prefix of full length has none on either side.</summary>
        public Node? ChildTowards(IpAddress address) => Children[address.Bit(Prefix.Length)];

        public Node WithChildTowards(IpAddress address, Node? child)
        {
            Children children = Children;
            children[address.Bit(Prefix.Length)] = child;
            return new Node(Prefix, Value, children);
        }

        /// <summary>This node, or what remains of it where it is a fork no longer.</summary>
        public Node? Collapsed() => Value is null && (Children[0] is null || Children[1] is null) ? Children[0] ?? Children[1] : this;
    }

    /// <summary>
    /// The child whose next bit is 0 and the one whose next bit is 1: chosen by index, because a branch would be mispredicted every other
    /// time.
    /// </summary>
    [InlineArray(2)]
    private struct Children
    {
        private Node? _child;
    }
}
