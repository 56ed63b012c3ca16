using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <content>
/// Relays: which one passes on what is for this device (its home), those of peers, and what this device passes on itself.
/// </content>
public sealed partial class PathProtocol
{
    private const int HomesTried = 2;
    private const int SparesAsked = 2;
    private static readonly TimeSpan HomeInterval = TimeSpan.FromSeconds(1);

    private Instant _homeAt;
    private Instant _keepAt;
    private bool _homeChanged;

    /// <summary>What this device passes on for others.</summary>
    public RelaySwitch Switch { get; } = new(random);

    /// <summary>What this device receives by relays.</summary>
    public RelayLegs Legs { get; } = new();

    /// <summary>The relay that passes on what is for this device; null for none. The peers are told, so that they go there.</summary>
    public PathFinder? Home { get; private set; }

    /// <summary>Whether <see cref="Home"/> is another than at the last call.</summary>
    public bool TakeHomeChange()
    {
        bool changed = _homeChanged;
        _homeChanged = false;
        return changed;
    }

    /// <summary>Makes this device a relay, or none; see <see cref="RelaySwitch.Use"/>.</summary>
    public void UseRelay(bool isOn, long bitsPerSecond)
    {
        Switch.Use(isOn, bitsPerSecond);
        _homeAt = default;
        attention();
    }

    /// <summary>Says whether a peer may be a relay for this device.</summary>
    public void AllowRelay(PublicKey peer, bool isAllowed)
    {
        if (Find(peer) is not { } finder || finder.IsRelay == isAllowed)
            return;
        finder.IsRelay = isAllowed;
        _homeAt = default;
        attention();
    }

    /// <summary>Whether the path to a relay is kept though there is no traffic of this device with it.</summary>
    internal bool IsKept(PathFinder relay) =>
        Home == relay || (relay.IsRelay && _finders.Values.Any(finder => finder.IsReachedBy(relay.Peer)));

    /// <summary>The relays by which a peer may be reached, the peer's own home first, then this device's.</summary>
    internal IEnumerable<PathFinder> RelaysTo(PathFinder peer, IEnumerable<PeerEndpoint> told)
    {
        IEnumerable<PathFinder?> homes = told
            .Where(at => at.Kind == PeerEndpointKind.Relay)
            .Select(at => addresses.Find(at.Address.Address) is { } relay ? Find(relay.PublicKey) : null)
            .Append(Home);
        return homes.OfType<PathFinder>().Where(relay => relay.IsRelay && relay != peer).Distinct();
    }

    /// <summary>
    /// The relays to ask for a peer when the one by which it is reached is silent. Both ends have them in the same order: a relay can only offer
    /// one of them to the other if both have come to it.
    /// </summary>
    internal IEnumerable<PathFinder> SpareRelays(PathFinder peer) =>
        _finders.Values
            .Where(relay => relay.IsRelay && relay != peer && !peer.IsReachedBy(relay.Peer))
            .OrderBy(relay => StreamAddress.IdOf(relay.PublicKey))
            .Take(SparesAsked);

    /// <summary>Asks a relay for a peer, or has it reached first.</summary>
    internal void OpenRelay(PathFinder relay, PublicKey peer)
    {
        if (relay.State != PathState.Direct)
            relay.Want();
        SendFrame(relay.Peer, new RelayFrame(RelayFrameKind.Open, peer).ToArray());
    }

    /// <summary>Takes what a relay says, or what a peer asks this device for as a relay.</summary>
    internal void TakeRelayFrame(Instant now, PathFinder from, RelayFrame frame)
    {
        if (Find(frame.Key) is not { } peer)
        {
            if (frame.Kind == RelayFrameKind.Open)
                Refuse(from, frame.Key);
            return;
        }
        switch (frame.Kind)
        {
            case RelayFrameKind.Open:
                OfferTo(now, from, peer);
                break;
            case RelayFrameKind.Accept when Switch.Find(from.Peer, peer.Peer) is { } pair:
                SendOpened(peer, pair, from);
                break;
            case RelayFrameKind.Offer when from.IsRelay:
                if (peer.TryTakeLeg(now, new RelayLeg(from.Peer, frame.Out, frame.In)))
                    SendFrame(from.Peer, new RelayFrame(RelayFrameKind.Accept, frame.Key).ToArray());
                Attend(peer);
                break;
            case RelayFrameKind.Opened when from.IsRelay && peer.WantsRelay:
                peer.TryTakeLeg(now, new RelayLeg(from.Peer, frame.Out, frame.In));
                Attend(peer);
                break;
            case RelayFrameKind.Refused when from.IsRelay:
                peer.RelayRefused(from.Peer);
                break;
        }
    }

    /// <summary>Has the peers that are reached by this one look for another way.</summary>
    internal void PathLost(Instant now, PathFinder relay)
    {
        if (!relay.IsRelay)
            return;
        if (Home == relay)
            UseHome(null, now);
        foreach (PathFinder finder in _finders.Values)
            finder.RelayLost(relay.Peer);
    }

    private void OfferTo(Instant now, PathFinder from, PathFinder to)
    {
        if (!Switch.IsOn || from == to)
        {
            Refuse(from, to.Peer.PublicKey);
            return;
        }
        if (to.State != PathState.Direct || !to.Peer.HasSession(now))
        {
            // The one that asks repeats it, and by then there may be a way.
            to.Want();
            to.Peer.RequestKeepalive();
            return;
        }
        if (Switch.Open(now, from.Peer, to.Peer) is not { } pair)
        {
            Refuse(from, to.Peer.PublicKey);
            return;
        }
        uint toPeer = pair.From(from.Peer).Number, toAsking = pair.From(to.Peer).Number;
        SendFrame(to.Peer, new RelayFrame(RelayFrameKind.Offer, from.Peer.PublicKey, Out: toAsking, In: toPeer).ToArray());
    }

    private void SendOpened(PathFinder to, RelayPair pair, PathFinder accepted)
    {
        uint outward = pair.From(to.Peer).Number, inward = pair.From(accepted.Peer).Number;
        SendFrame(to.Peer, new RelayFrame(RelayFrameKind.Opened, accepted.Peer.PublicKey, Out: outward, In: inward).ToArray());
    }

    private void Refuse(PathFinder from, PublicKey peer) => SendFrame(from.Peer, new RelayFrame(RelayFrameKind.Refused, peer).ToArray());

    // A device without a home is not found where it cannot be reached directly, so there is always one, if there are relays.
    private void PollHome(Instant now)
    {
        if (now < _homeAt)
            return;
        PathFinder[] relays = Switch.IsOn ? [] : [.. _finders.Values.Where(finder => finder.IsRelay)];
        if (Home is not null && !relays.Contains(Home))
            UseHome(null, now);
        if (relays.Length == 0)
        {
            _homeAt = Instant.Never;
            return;
        }
        if (Home is null && relays.Where(relay => relay.State == PathState.Direct).MinBy(relay => relay.RoundTrip ?? TimeSpan.MaxValue) is { } nearest)
            UseHome(nearest, now);
        if (Home is null)
            foreach (PathFinder relay in relays.OrderBy(relay => relay.Rank).Take(HomesTried))
                relay.Want();
        if (now >= _keepAt)
        {
            _keepAt = now + PathFinder.KeepaliveInterval;
            foreach (PathFinder relay in relays.Where(relay => relay.State == PathState.Direct && IsKept(relay)))
                relay.KeepRelay(now);
        }
        _homeAt = Home is null ? now + HomeInterval : _keepAt;
    }

    private void UseHome(PathFinder? home, Instant now)
    {
        (Home, _homeChanged) = (home, true);
        _homeAt = _keepAt = now;
        attention();
    }
}
