using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;

namespace Kedge.Protocol.Paths;

/// <summary>
/// Where this device stands in the network below the overlay. What of a peer's endpoints is tried depends on it: a peer must not make us
/// send into networks that are not its own.
/// </summary>
public sealed record Surroundings
{
    /// <summary>How many endpoints of one peer are tried at most: a hostile one may name thousands.</summary>
    public const int MaximumCandidates = 12;

    /// <summary>The addresses of this machine's interfaces, with the length of the network on the link; tunnels left out.</summary>
    public IReadOnlyList<IpPrefix> OnLink { get; init; } = [];

    /// <summary>The same addresses, whole.</summary>
    public IReadOnlyList<IpAddress> Addresses { get; init; } = [];

    /// <summary>Where STUN servers see the port.</summary>
    public IReadOnlyList<Endpoint> Reflexive { get; init; } = [];

    /// <summary>The device's UDP port; 0 while it has none.</summary>
    public ushort Port { get; init; }

    /// <summary>Whether all nodes are in one internal network (<c>--internal-network</c>), in which private addresses are good everywhere.</summary>
    public bool IsInternal { get; init; }

    /// <summary>
    /// The prefixes that the overlay has its addresses from: an endpoint in them would be reached through itself. One in a network behind a
    /// node is possible, because the device's own datagrams pass the overlay's routes by.
    /// </summary>
    public IReadOnlyList<IpPrefix> Overlay { get; init; } = [];

    /// <summary>
    /// The time to live of a datagram that is to open the NATs on this side, and to go no further than it must: towards the peer's NAT it
    /// dies on the way.
    /// </summary>
    public byte OpeningTimeToLive { get; init; } = 2;

    /// <summary>
    /// The <see cref="OpeningTimeToLive"/> that follows from the first routers of a way out: NATs are where addresses are private, so what passes
    /// all routers with private addresses has passed the NATs on this side.
    /// </summary>
    /// <param name="routers">The routers, in order; none for one that is not known.</param>
    public static byte OpeningTimeToLiveOf(IReadOnlyList<IpAddress> routers)
    {
        int last = routers.Count;
        while (last > 0 && (routers[last - 1].IsNone || !ReservedPrefixes.IsPrivate(routers[last - 1])))
            last--;
        return (byte)Math.Max(last + 1, 2);
    }

    /// <summary>Whether these routers tell already what follows from them, though others have not answered yet.</summary>
    public static bool AreEnough(IReadOnlyList<IpAddress> routers) =>
        routers.FirstOrDefault(router => router.IsNone || !ReservedPrefixes.IsPrivate(router)) is { IsNone: false };

    /// <summary>Whether this device has a stream to the controller, so that peers can be reached by theirs.</summary>
    public bool HasStream { get; init; }

    /// <summary>Whether this device is behind a NAT: STUN servers see it under an address that its machine does not have.</summary>
    public bool IsBehindNat => Reflexive.Any(seen => !Addresses.Contains(seen.Address));

    /// <summary>Whether an address is in a network that one of this machine's interfaces is in.</summary>
    public bool IsOnLink(IpAddress address) => OnLink.Any(prefix => prefix.Contains(address));

    /// <summary>
    /// The endpoints of a peer that are tried, best first: configured and mapped ones, those on the link, the others, its stream. Left out is what no peer
    /// can be behind (loopback, multicast, link-local addresses, the overlay, this device itself), what is of a family that this machine has
    /// no address of, and private addresses of another network than ours: they count only on the link, where both ends have one public
    /// address, in an internal network, or where this machine has nothing but private addresses itself, or does not know which it has.
    /// </summary>
    /// <param name="told">What the peer tells.</param>
    public IReadOnlyList<PeerEndpoint> Select(IEnumerable<PeerEndpoint> told)
    {
        PeerEndpoint[] all = [.. told.Take(4 * MaximumCandidates).Where(at => at.Kind.IsDirect() && !StreamAddress.IsStream(at.Address.Address))];
        bool sharesPublicAddress = Reflexive.Any(own => all.Any(at => at.Kind == PeerEndpointKind.Reflexive && at.Address.Address == own.Address));
        bool isPrivateWorld = IsInternal || sharesPublicAddress || !HasPublicAddress || Addresses.Count == 0;
        return
        [
            .. all
                .Where(at => IsUsable(at.Address) && HasFamily(at.Address.Address))
                .Where(at => isPrivateWorld || !ReservedPrefixes.IsPrivate(at.Address.Address) || IsOnLink(at.Address.Address))
                .OrderBy(at => at.Kind is PeerEndpointKind.Fixed or PeerEndpointKind.Mapped ? 0 : IsOnLink(at.Address.Address) ? 1 : 2)
                .DistinctBy(at => at.Address)
                .Take(MaximumCandidates),
            .. told.Where(at => HasStream && at.Kind == PeerEndpointKind.Stream && StreamAddress.IsStream(at.Address.Address)).Take(1),
        ];
    }

    /// <summary>Whether a peer can be at an endpoint at all.</summary>
    public bool IsUsable(Endpoint endpoint) => StreamAddress.IsStream(endpoint.Address) ? HasStream : IsUsableByUdp(endpoint);

    private bool IsUsableByUdp(Endpoint endpoint) =>
        endpoint.Port != 0
        && ReservedPrefixes.IsUsableUnderlay(endpoint.Address)
        && !(endpoint.Port == Port && Addresses.Contains(endpoint.Address))
        && !Reflexive.Contains(endpoint)
        && !Overlay.Any(prefix => prefix.Contains(endpoint.Address));

    private bool HasPublicAddress =>
        Reflexive.Select(seen => seen.Address).Concat(Addresses).Any(address => !ReservedPrefixes.IsPrivate(address));

    // A machine that knows nothing of itself yet tries whatever there is.
    private bool HasFamily(IpAddress address) => Addresses.Count == 0 || Addresses.Any(own => own.Size == address.Size);
}
