using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Stun;

public sealed class NatBehaviourProbeTests
{
    private const NatDependence Independent = NatDependence.EndpointIndependent;
    private const NatDependence Address = NatDependence.AddressDependent;
    private const NatDependence AddressAndPort = NatDependence.AddressAndPortDependent;

    private static readonly Endpoint Primary = Endpoint.Parse("192.0.2.1:3478");
    private static readonly Endpoint Alternate = Endpoint.Parse("198.51.100.1:3479");
    private static readonly Endpoint Plain = Endpoint.Parse("198.51.100.77:3478"); // a server without another endpoint
    private static readonly IpAddress Inside = IpAddress.Parse("10.0.0.2");
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(20);

    private static readonly NatDependence[] Kinds = [Independent, Address, AddressAndPort];

    private readonly Random _random = new(5780);
    private readonly PriorityQueue<(int Socket, Endpoint Source, Endpoint Destination, byte[] Datagram), (Instant, int)> _underway = new();
    private readonly Dictionary<Endpoint, int> _sent = [];
    private readonly HashSet<string> _known = []; // identifiers of requests
    private readonly Instant _start = new(1_000_000_000);
    private bool _losesFirst, _isBlocked, _passesOverChanges, _hasSilentAlternate;
    private SimulatedNat? _nat;
    private int _number;
    private Instant _now;

    public static TheoryData<NatDependence, NatDependence, bool, bool> AllKinds => new(
        from mapping in Kinds
        from filtering in Kinds
        from hairpins in (bool[])[true, false]
        from loses in (bool[])[true, false]
        select (mapping, filtering, hairpins, loses));

    [Theory]
    [MemberData(nameof(AllKinds))]
    public void With_two_addresses_of_a_server_every_kind_is_known(
        NatDependence mapping, NatDependence filtering, bool hairpins, bool loses)
    {
        (_nat, _losesFirst) = (new SimulatedNat(mapping, filtering, hairpins), loses);
        NatBehaviour found = Run([Primary]);
        Assert.Equal((mapping, filtering, 2, true), (found.Mapping, found.Filtering, found.ServerAddresses, found.IsTranslated));
        Assert.Equal(_nat.Outside, found.Reflexive.Address);
        // Where each destination sees another endpoint, the one that the server saw is open only to the server, unless there is no filter.
        Assert.Equal(hairpins && (mapping == Independent || filtering == Independent), found.Hairpin);
    }

    [Theory]
    [MemberData(nameof(AllKinds))]
    public void With_two_ports_of_one_address_what_they_leave_open_is_said(
        NatDependence mapping, NatDependence filtering, bool hairpins, bool loses)
    {
        (_nat, _losesFirst) = (new SimulatedNat(mapping, filtering, hairpins), loses);
        NatBehaviour found = Run([Primary], addresses: 1);
        Assert.Equal(mapping == AddressAndPort ? AddressAndPort : Independent | Address, found.Mapping);
        Assert.Equal(filtering == AddressAndPort ? AddressAndPort : Independent | Address, found.Filtering);
        Assert.Equal(1, found.ServerAddresses);
    }

    [Theory]
    [MemberData(nameof(AllKinds))]
    public void Another_server_without_a_second_port_tells_the_mapping(
        NatDependence mapping, NatDependence filtering, bool hairpins, bool loses)
    {
        (_nat, _losesFirst) = (new SimulatedNat(mapping, filtering, hairpins), loses);
        Assert.Equal(mapping, Run([Primary, Plain], addresses: 1).Mapping);
    }

    [Fact]
    public void Without_a_NAT_there_is_no_hairpin_and_a_firewall_is_known_by_its_filter()
    {
        NatBehaviour found = Run([Primary]);
        Assert.Equal((false, Independent, Independent), (found.IsTranslated, found.Mapping, found.Filtering));
        Assert.Null(found.Hairpin);
        Assert.Equal(Inside, found.Reflexive.Address);
    }

    [Fact]
    public void Servers_of_one_endpoint_tell_the_mapping_as_far_as_they_can_and_nothing_of_the_filter()
    {
        _nat = new SimulatedNat(AddressAndPort, Independent, hairpins: true);
        NatBehaviour found = Run([Primary, Plain], addresses: 0);
        Assert.Equal((Address | AddressAndPort, NatDependence.Unknown, 0), (found.Mapping, found.Filtering, found.ServerAddresses));

        _nat = new SimulatedNat(Independent, Independent, hairpins: true);
        found = Run([Primary, Plain], addresses: 0);
        Assert.Equal((Independent, NatDependence.Unknown), (found.Mapping, found.Filtering));

        found = Run([Plain], addresses: 0);
        Assert.Equal((NatDependence.Unknown, NatDependence.Unknown, true), (found.Mapping, found.Filtering, found.Hairpin));
    }

    [Fact]
    public void Silence_of_a_server_that_cannot_answer_from_elsewhere_is_not_taken_for_a_filter()
    {
        (_nat, _hasSilentAlternate) = (new SimulatedNat(Independent, Independent, hairpins: false), true);
        Assert.Equal((NatDependence.Unknown, NatDependence.Unknown), Dependences(Run([Primary])));

        (_hasSilentAlternate, _passesOverChanges) = (false, true); // and answers from where it was asked
        Assert.Equal((Independent, NatDependence.Unknown), Dependences(Run([Primary])));
    }

    [Fact]
    public void Where_UDP_is_blocked_it_ends_after_three_seconds_without_an_answer()
    {
        _isBlocked = true;
        NatBehaviour found = Run([Primary, Plain]);
        Assert.False(found.IsAnswered);
        Assert.Equal(TimeSpan.FromSeconds(3), _now - _start);
        Assert.Equal(6, _sent.Values.Sum()); // three for each
    }

    [Fact]
    public void It_ends_in_time_and_sends_little()
    {
        _nat = new SimulatedNat(AddressAndPort, AddressAndPort, hairpins: false);
        Run([Primary, Plain]);
        Assert.InRange(_now - _start, TimeSpan.Zero, NatBehaviourProbe.LongestTime);
        Assert.InRange(_sent.Values.Sum(), 10, 30);

        _sent.Clear();
        _nat = new SimulatedNat(Independent, Independent, hairpins: true);
        Run([Primary]);
        Assert.InRange(_now - _start, TimeSpan.Zero, TimeSpan.FromSeconds(0.2)); // four round trips
    }

    [Fact]
    public void Only_answers_to_the_very_request_are_believed()
    {
        var probe = new NatBehaviourProbe(_start, [Primary], [Inside], _random.NextBytes);
        byte[] request = new byte[NatBehaviourProbe.RequestSize];
        Assert.Equal(OutcomeKind.ToNetwork, probe.Poll(_start, request, out int socket, out Endpoint destination).Kind);
        Assert.Equal((0, Primary), (socket, destination));
        byte[] answer = Answer(request, Primary, Endpoint.Parse("203.0.113.9:1"), addresses: 2).Response;

        probe.Receive(_start, 0, answer, Alternate);
        probe.Receive(_start, 1, answer, Primary);
        probe.Receive(_start, 0, request, Primary);
        byte[] guessed = [.. answer];
        guessed[19] ^= 1;
        probe.Receive(_start, 0, guessed, Primary);
        Assert.False(probe.Result.IsAnswered);
        probe.Receive(_start, 0, answer, Primary);
        Assert.True(probe.Result.IsAnswered);
    }

    [Fact]
    public void Each_test_of_the_filter_sends_from_a_socket_that_has_sent_nowhere_else()
    {
        _nat = new SimulatedNat(AddressAndPort, AddressAndPort, hairpins: true);
        List<(int Socket, Endpoint Destination)> sent = [];
        Run([Primary], seen: (socket, destination) => sent.Add((socket, destination)));
        Assert.All(sent.Where(one => one.Socket >= 2), one => Assert.Equal(Primary, one.Destination));
        Assert.Equal([0, 1, 2, 3], sent.Select(one => one.Socket).Distinct().Order());
    }

    [Fact]
    public void Servers_that_cannot_be_asked_together_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new NatBehaviourProbe(_now, [], [], _random.NextBytes));
        Assert.Throws<ArgumentException>(() => new NatBehaviourProbe(_now, [Primary with { Port = 0 }], [], _random.NextBytes));
        Assert.Throws<ArgumentException>(
            () => new NatBehaviourProbe(_now, [Primary, Endpoint.Parse("[2001:db8::1]:3478")], [], _random.NextBytes));
    }

    private static (NatDependence, NatDependence) Dependences(NatBehaviour found) => (found.Mapping, found.Filtering);

    private NatBehaviour Run(Endpoint[] servers, int addresses = 2, Action<int, Endpoint>? seen = null)
    {
        _now = _start;
        _underway.Clear();
        var probe = new NatBehaviourProbe(_now, servers, [Inside], _random.NextBytes);
        byte[] buffer = new byte[NatBehaviourProbe.RequestSize];
        while (!probe.IsFinished)
        {
            while (probe.Poll(_now, buffer, out int socket, out Endpoint destination) is { Kind: OutcomeKind.ToNetwork } due)
            {
                seen?.Invoke(socket, destination);
                Send(socket, destination, buffer[..due.Length], addresses);
            }
            Instant arrival = _underway.TryPeek(out _, out (Instant Time, int) first) ? first.Time : Instant.Never;
            if (probe.IsFinished)
                break;
            _now = Instant.Earlier(arrival, probe.NextDeadline);
            Assert.NotEqual(Instant.Never, _now);
            if (_now != arrival)
                continue;
            (int at, Endpoint source, _, byte[] datagram) = _underway.Dequeue();
            probe.Receive(_now, at, datagram, source);
        }
        return probe.Result;
    }

    /// <summary>Sends a request through the NAT, has it answered, and the answer sent back; or sends it to one of our own sockets.</summary>
    private void Send(int socket, Endpoint destination, byte[] datagram, int addresses)
    {
        _sent[destination] = _sent.GetValueOrDefault(destination) + 1;
        Endpoint inside = InsideOf(socket);
        Endpoint outside = _nat?.Leave(inside, destination) ?? inside;
        bool isFirst = _known.Add(Convert.ToHexString(datagram, 8, 12));
        if (_isBlocked || (_losesFirst && isFirst))
            return;
        if (destination.Address == _nat?.Outside)
        {
            Deliver(outside, destination, datagram, Delay);
            return;
        }
        (byte[] response, Endpoint origin) = Answer(datagram, destination, outside, addresses);
        if (response.Length > 0 && !(_hasSilentAlternate && origin != Primary))
            Deliver(_passesOverChanges ? destination : origin, outside, response, 2 * Delay);
    }

    private void Deliver(Endpoint source, Endpoint destination, byte[] datagram, TimeSpan delay)
    {
        if ((_nat is null ? destination : _nat.Enter(source, destination)) is { } inside)
            _underway.Enqueue((SocketOf(inside), source, inside, datagram), (_now + delay, _number++));
    }

    private static Endpoint InsideOf(int socket) => new(Inside, (ushort)(5000 + socket));

    private static int SocketOf(Endpoint inside) => inside.Port - 5000;

    /// <summary>What a server answers, by the server of this program, which its own tests hold to RFC 5780.</summary>
    private (byte[] Response, Endpoint Origin) Answer(byte[] request, Endpoint asked, Endpoint source, int addresses)
    {
        byte[] response = new byte[StunServer.MaximumResponse];
        StunOrigins origins = asked == Plain || addresses == 0
            ? new StunOrigins(asked)
            : new StunOrigins(
                asked,
                addresses == 1 ? default : asked.Address == Primary.Address ? Alternate.Address : Primary.Address,
                asked.Port == Primary.Port ? Alternate.Port : Primary.Port);
        int length = new StunServer().Answer(_now, request, source, origins, response, out Endpoint origin);
        return (response[..length], origin);
    }
}
