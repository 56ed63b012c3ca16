namespace Kedge.Demo.Nat;

/// <summary>What a <see cref="Gateway"/> does with packets, and how far it is from the network outside.</summary>
public sealed record GatewaySettings
{
    /// <summary>How it translates IPv4.</summary>
    public NatKind Kind { get; init; } = NatKind.PortRestricted;

    /// <summary>How many plain routers are on the line between it and the network outside, which is a router itself: 0 to 200.</summary>
    public int Hops { get; init; }

    /// <summary>
    /// Whether machines inside reach each other at their mapped endpoints, which they then see as the source too. Under a NAT that
    /// filters by port, only with mapped ports that are the local ones.
    /// </summary>
    public bool Hairpins { get; init; }

    /// <summary>
    /// Whether the gateway itself takes packets from outside that belong to nothing, only to refuse them. Then a packet that comes too
    /// early takes the tuple that the machine inside would have had, and the machine's own packet to the same peer gets another port.
    /// </summary>
    public bool AcceptsInInput { get; init; }

    /// <summary>Whether machines inside may have ports mapped, by PCP and NAT-PMP: a real miniupnpd.</summary>
    public bool MapsPorts { get; init; }

    /// <summary>Whether nothing passes but TCP to port 443, and its answers.</summary>
    public bool BlocksUdp { get; init; }

    /// <summary>Whether there is IPv4.</summary>
    public bool HasIpv4 { get; init; } = true;

    /// <summary>
    /// Whether there is IPv6: public addresses inside, behind a firewall that lets in answers alone. Only on a line to the internet itself.
    /// </summary>
    public bool HasIpv6 { get; init; }

    /// <summary>How long a mapping lasts that no answer has come to, to the whole second.</summary>
    public TimeSpan UdpTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a mapping lasts that has carried traffic both ways for more than two seconds, or of any kind where the NAT filters less
    /// than by port; to the whole second.
    /// </summary>
    public TimeSpan UdpStreamTimeout { get; init; } = TimeSpan.FromSeconds(120);
}
