namespace Kedge.Protocol.Ip;

/// <summary>Address blocks with a meaning of their own (RFC 6890), which no node of a mesh may claim and no peer can be behind.</summary>
public static class ReservedPrefixes
{
    // This network, loopback, link-local, multicast, limited broadcast; unspecified, loopback, IPv4-mapped, link-local, multicast.
    private static readonly IpPrefix[] Reserved =
    [
        .. ((string[])
        [
            "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
            "::/128", "::1/128", "::ffff:0:0/96", "fe80::/10", "ff00::/8",
        ]).Select(text => IpPrefix.Parse(text)),
    ];

    // RFC 1918, RFC 6598, RFC 4193
    private static readonly IpPrefix[] Private =
        [.. ((string[])["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"]).Select(text => IpPrefix.Parse(text))];

    /// <summary>
    /// Whether an address means something else in every network: private ones, those behind a carrier's NAT, and unique local ones.
    /// </summary>
    public static bool IsPrivate(IpAddress address) => Array.Exists(Private, prefix => prefix.Contains(address));

    /// <summary>Whether datagrams to a peer may go to this address: a unicast address that means the same machine everywhere in a
    /// network.</summary>
    public static bool IsUsableUnderlay(IpAddress address) => !address.IsNone && !Array.Exists(Reserved, prefix => prefix.Contains(address));

    /// <summary>
    /// Whether a node may have this prefix in the overlay: it neither touches a reserved block nor is a default route, which would draw
    /// everything to one peer.
    /// </summary>
    public static bool IsUsableOverlay(IpPrefix prefix) =>
        !prefix.IsNone && prefix.Length > 0 && !Array.Exists(Reserved, reserved => Overlap(reserved, prefix));

    /// <summary>Whether two prefixes have an address in common; then one contains the other.</summary>
    public static bool Overlap(IpPrefix a, IpPrefix b) => a.Contains(b.Address) || b.Contains(a.Address);
}
