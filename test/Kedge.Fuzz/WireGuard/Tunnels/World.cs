using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard.Tunnels;

/// <summary>A datagram under way.</summary>
internal sealed record Flight(byte[] Bytes, Endpoint From, Endpoint To);

/// <summary>
/// A few nodes, the network between them, and the time. Nothing moves by itself: datagrams wait until they are delivered, and the clock
/// stands until it is advanced.
/// </summary>
internal sealed class World : IDisposable
{
    private const int MaximumFlights = 64;

    private readonly List<Flight> _flights = [];
    private readonly List<Flight> _seen = [];
    private readonly HashSet<int> _delivered = [];
    private int _seed;

    /// <summary>A world in which every node knows every other.</summary>
    /// <param name="count">How many nodes.</param>
    /// <param name="timing">The times in force.</param>
    /// <param name="isPunctual">Whether nodes are polled by themselves as soon as something is due.</param>
    /// <param name="deliversAtOnce">Whether datagrams arrive by themselves as soon as they are sent.</param>
    public World(int count, Timing timing, bool isPunctual, bool deliversAtOnce)
    {
        Timing = timing;
        IsPunctual = isPunctual;
        DeliversAtOnce = deliversAtOnce;
        Nodes = [.. Enumerable.Range(1, count).Select(number => new Node(this, number))];
        foreach (Node node in Nodes)
            Introduce(node);
    }

    public IReadOnlyList<Node> Nodes { get; }

    public Timing Timing { get; }

    public bool IsPunctual { get; private set; }

    public bool DeliversAtOnce { get; private set; }

    public Ledger Ledger { get; } = new();

    public Instant Now { get; private set; } = new(TimeSpan.TicksPerDay);

    /// <summary>By how much everybody's wall clock is wrong.</summary>
    public TimeSpan ClockError { get; set; }

    public DateTimeOffset WallClock => new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero) + (Now - default(Instant)) + ClockError;

    /// <summary>The datagrams under way, the oldest first.</summary>
    public IReadOnlyList<Flight> Flights => _flights;

    /// <summary>The last datagrams that anybody has sent.</summary>
    public IReadOnlyList<Flight> Seen => _seen;

    public int NextSeed() => ++_seed;

    public byte[] NewKey() => Machine.NewKey(NextSeed());

    /// <summary>Tells a node about all others, as far as it does not know them.</summary>
    public void Introduce(Node node)
    {
        foreach (Node other in Nodes)
        {
            if (node.AddPeer(other.PublicKey) is not { } peer)
                continue;
            node.SetPath(peer, new PeerPath(other.Machine.Address, default));
            node.Allow(peer, new IpPrefix(other.Machine.Inner, 32));
        }
    }

    public void Transmit(byte[] datagram, Endpoint from, Endpoint to)
    {
        var flight = new Flight(datagram, from, to);
        if (_flights.Count == 2 * MaximumFlights)
            _flights.RemoveAt(0);
        _flights.Add(flight);
        if (_seen.Count == MaximumFlights)
            _seen.RemoveAt(0);
        _seen.Add(flight);
    }

    /// <summary>Takes a datagram off the way; null where there is none.</summary>
    public Flight? Take(int index)
    {
        if (_flights.Count == 0)
            return null;
        Flight flight = _flights[index % _flights.Count];
        _flights.RemoveAt(index % _flights.Count);
        return flight;
    }

    /// <summary>Brings a datagram to who is at its destination, if anybody is.</summary>
    public Reception? Deliver(Flight flight) =>
        Nodes.FirstOrDefault(node => node.Machine.Address == flight.To)?.Receive(flight.Bytes, flight.From);

    /// <summary>A packet has come out of a tunnel.</summary>
    public void Delivered(byte[] packet, Node node)
    {
        _ = node;
        Invariant.Holds(_delivered.Add(TunnelPacket.NumberOf(packet)), "no packet is delivered twice");
    }

    public bool IsDelivered(int packet) => _delivered.Contains(packet);

    /// <summary>Lets everything happen that happens by itself at this moment, and compares the nodes with what they must be.</summary>
    public void Settle()
    {
        const int Bound = 1000;
        for (int i = 0; ; i++)
        {
            Invariant.Holds(i < Bound, "messages and polls at one moment come to an end");
            if (IsPunctual && Nodes.FirstOrDefault(node => node.WakeAt <= Now) is { } node)
                node.Poll(all: false);
            else if (DeliversAtOnce && Take(0) is { } flight)
                Deliver(flight);
            else
                break;
        }
        foreach (Node node in Nodes)
            node.Check();
    }

    /// <summary>Lets time pass. Punctual nodes wake up whenever they want to.</summary>
    public void Advance(TimeSpan span)
    {
        Instant target = Now + span;
        int bound = 200 + (int)(span.TotalSeconds * 4 * Nodes.Count);
        while (IsPunctual)
        {
            Settle();
            Instant next = Nodes.Select(node => node.WakeAt).Aggregate(Instant.Earlier);
            if (next >= target)
                break;
            Invariant.Holds(bound-- > 0, "nodes wake up only now and then");
            Now = next;
        }
        Now = target;
    }

    /// <summary>
    /// From now on everybody is well: one network, one truth about keys, and nothing lost. What is under way is lost first.
    /// </summary>
    public void Heal()
    {
        _flights.Clear();
        IsPunctual = DeliversAtOnce = true;
        ClockError = TimeSpan.Zero;
        foreach (Node node in Nodes)
        {
            if (Nodes.Any(other => other != node && other.PublicKey == node.PublicKey))
                node.UseKey(NewKey());
        }
        foreach (Node node in Nodes)
        {
            node.IsUnderLoad = false;
            node.OuterEcn = 0;
            node.Machine.Device.Mtu = 1420;
            foreach (PeerTunnel stranger in node.Peers.Where(peer => Nodes.All(other => other.PublicKey != peer.PublicKey)))
                node.RemovePeer(stranger);
            foreach (PeerTunnel peer in node.Peers)
            {
                node.SetPresharedKey(peer, new byte[32]);
                foreach (IpPrefix prefix in node.Machine.Device.AllowedIps.PrefixesOf(peer))
                    node.Disallow(peer, prefix);
            }
            Introduce(node);
            foreach (Node other in Nodes)
            {
                if (node.AddPeer(other.PublicKey) is not { } peer)
                    continue;
                node.SetPath(peer, new PeerPath(other.Machine.Address, default));
                node.Allow(peer, new IpPrefix(other.Machine.Inner, 32));
            }
        }
    }

    public void Dispose()
    {
        foreach (Node node in Nodes)
            node.Dispose();
    }
}
