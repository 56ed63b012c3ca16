using Kedge.Protocol.Ip;

namespace Kedge.Control.Store;

/// <summary>What a node has and waits for, each in order, IPv4 first.</summary>
/// <param name="Addresses">Its addresses.</param>
/// <param name="ChildPrefixes">The networks behind it that were approved.</param>
/// <param name="Waiting">The networks behind it that were not yet: claims, which others may have as well.</param>
internal sealed record NodeLeases(IReadOnlyList<IpAddress> Addresses, IReadOnlyList<IpPrefix> ChildPrefixes, IReadOnlyList<IpPrefix> Waiting)
{
    /// <summary>A node that has nothing.</summary>
    public static readonly NodeLeases None = new([], [], []);

    /// <summary>All that it has and waits for: its addresses, as prefixes of full length, and the networks behind it.</summary>
    public IReadOnlyList<IpPrefix> All => [.. Held, .. Waiting];

    /// <summary>All that it has.</summary>
    public IReadOnlyList<IpPrefix> Held => [.. Addresses.Select(address => new IpPrefix(address, address.Size * 8)), .. ChildPrefixes];

    /// <summary>The same as if all that it waits for were approved.</summary>
    public NodeLeases WithClaims => Waiting.Count == 0 ? this : this with { ChildPrefixes = [.. ChildPrefixes.Concat(Waiting).Order()], Waiting = [] };

    /// <summary>Sorts rows of the store: value, kind and status.</summary>
    public static NodeLeases From(IEnumerable<(string Value, string Kind, string Status)> rows)
    {
        List<IpAddress> addresses = [];
        List<IpPrefix> children = [], waiting = [];
        foreach ((string value, string kind, string status) in rows)
        {
            if (status == "waiting")
                waiting.Add(IpPrefix.Parse(value));
            else if (status == "held" && kind == "child")
                children.Add(IpPrefix.Parse(value));
            else if (status == "held")
                addresses.Add(IpAddress.Parse(value));
        }
        addresses.Sort((a, b) => a.CompareTo(b));
        children.Sort((a, b) => a.CompareTo(b));
        waiting.Sort((a, b) => a.CompareTo(b));
        return new NodeLeases(addresses, children, waiting);
    }
}
