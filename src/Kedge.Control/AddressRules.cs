using Kedge.Protocol.Ip;

namespace Kedge.Control;

/// <summary>Which prefixes a zone may have, and which a node may announce, whoever asks.</summary>
internal static class AddressRules
{
    // Longest first within what they overlap, so that the most telling name is found.
    private static readonly (IpPrefix Prefix, string What)[] Special =
    [
        (IpPrefix.Parse("0.0.0.0/8"), "'this network' (RFC 791)"),
        (IpPrefix.Parse("127.0.0.0/8"), "loopback (RFC 1122)"),
        (IpPrefix.Parse("169.254.0.0/16"), "link-local (RFC 3927)"),
        (IpPrefix.Parse("224.0.0.0/4"), "multicast (RFC 5771)"),
        (IpPrefix.Parse("240.0.0.0/4"), "reserved (RFC 1112)"),
        (IpPrefix.Parse("::/96"), "loopback and the unspecified address (RFC 4291)"),
        (IpPrefix.Parse("::ffff:0:0/96"), "IPv4-mapped (RFC 4291)"),
        (IpPrefix.Parse("fe80::/10"), "link-local (RFC 4291)"),
        (IpPrefix.Parse("ff00::/8"), "multicast (RFC 4291)"),
    ];

    /// <summary>Whether two blocks have an address in common.</summary>
    public static bool Overlap(IpPrefix a, IpPrefix b) => a.Contains(b.Address) || b.Contains(a.Address);

    /// <summary>Whether an address is IPv4-mapped (RFC 4291 section 2.5.5.2).</summary>
    public static bool IsMapped(IpAddress address) => IpPrefix.Parse("::ffff:0:0/96").Contains(address);

    /// <summary>Whether a datagram can be sent there from another machine.</summary>
    public static bool CanBeSentTo(IpAddress address) => !Special.Any(special => special.Prefix.Contains(address));

    /// <summary>What is wrong with a prefix, in a zone or behind a node; null where nothing is.</summary>
    public static string? CheckAny(IpPrefix prefix)
    {
        if (prefix.Length == 0)
            return $"{prefix} is a default route, which nobody may have here: name the networks that are meant.";
        foreach ((IpPrefix special, string what) in Special)
        {
            if (Overlap(prefix, special))
                return $"{prefix} overlaps {special}, {what}: choose a prefix of private or own addresses, such as 10.1.0.0/16.";
        }
        return null;
    }

    /// <summary>What is wrong with a zone's prefix; null where nothing is.</summary>
    public static string? CheckZone(IpPrefix prefix)
    {
        (int shortest, int longest) = prefix.Address.IsIPv4 ? (8, 30) : (32, 126);
        if (CheckAny(prefix) is { } fault)
            return fault;
        return prefix.Length < shortest || prefix.Length > longest
            ? $"{prefix} has {prefix.Length} bits, but a zone's prefix has from {shortest} to {longest}."
            : null;
    }

    /// <summary>What is wrong with a prefix behind a node; null where nothing is.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <param name="reached">Where the controller and the peers are reached, and what each is.</param>
    public static string? CheckChild(IpPrefix prefix, IEnumerable<(IpAddress Address, string What)> reached)
    {
        if (CheckAny(prefix) is { } fault)
            return fault;
        foreach ((IpAddress address, string what) in reached)
        {
            if (prefix.Contains(address))
                return $"{prefix} covers {address}, {what}: the way there would lead through the tunnel itself. Announce smaller prefixes without it.";
        }
        return null;
    }
}
