using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Strangers;

/// <summary>Which addresses count as one source.</summary>
public static class SourcePrefix
{
    /// <summary>
    /// The source that an address belongs to: an IPv4 address itself, or the IPv6 /64 around it, which is what one customer is usually given.
    /// An IPv4-mapped address, as a socket of both families shows it, is the IPv4 address in it.
    /// </summary>
    public static IpAddress Of(IpAddress address)
    {
        address = address.Unmapped();
        return address.IsIPv6 ? address.Masked(64) : address;
    }

    /// <summary>
    /// The site that an address belongs to: an IPv4 address itself, or the IPv6 /48 around it. Whoever is given a /48 has 65,536 sources.
    /// </summary>
    public static IpAddress SiteOf(IpAddress address)
    {
        address = address.Unmapped();
        return address.IsIPv6 ? address.Masked(48) : address;
    }
}
