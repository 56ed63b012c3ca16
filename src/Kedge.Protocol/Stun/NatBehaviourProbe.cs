using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Stun;

/// <summary>
/// Finds out how the NATs and firewalls on the way to STUN servers behave (RFC 5780, section 4; the kinds are those of RFC 4787): once,
/// within <see cref="LongestTime"/>. It is handed datagrams, time and randomness, and says what is to be sent by which of its caller's
/// sockets. Those are new ones, so that nobody else's mapping is touched, and each test of the filter has its own, because whatever a
/// socket has sent before has opened the filter already.
/// </summary>
/// <remarks>
/// First all servers are asked by one socket. The first that has another address or port is asked for the rest, everything at once: by
/// the same socket at its other endpoints (the mapping), and by new ones for answers from there (the filter). At the end two of the
/// sockets send to each other's endpoints as the server saw them (the hairpin). Owned by one thread.
/// </remarks>
public sealed class NatBehaviourProbe
{
    /// <summary>How many sockets it asks for at most, numbered from 0.</summary>
    public const int SocketCount = 4;

    /// <summary>Bytes of a request: enough for an answer that is longer by one address of IPv6, with all that is to be known.</summary>
    public const int RequestSize = 68;

    /// <summary>When it has ended at the latest: the servers, then everything else, then the hairpin.</summary>
    public static readonly TimeSpan LongestTime = 3 * StunClient.GiveUpTime;

    private const int MappingSocket = 0;
    private const int HairpinSocket = 1;
    private const int OtherAddressSocket = 2;
    private const int OtherPortSocket = 3;

    private readonly IReadOnlyCollection<IpAddress> _local;
    private readonly RandomBytes _random;
    private readonly List<Inquiry> _servers;
    private readonly List<Inquiry> _mapping = [];
    private Inquiry? _server, _fromOtherAddress, _fromOtherPort, _hairpin, _hairpinThere, _hairpinBack;
    private int _serverAddresses;

    /// <summary>A probe that begins now.</summary>
    /// <param name="now">The time.</param>
    /// <param name="servers">1 to <see cref="StunClient.MaximumServers"/> servers of one family.</param>
    /// <param name="local">The machine's own addresses.</param>
    /// <param name="random">Randomness for the identifiers of requests.</param>
    /// <exception cref="ArgumentException">There is none or there are too many, or nothing can be sent to one of them.</exception>
    public NatBehaviourProbe(Instant now, IEnumerable<Endpoint> servers, IReadOnlyCollection<IpAddress> local, RandomBytes random)
    {
        (_local, _random) = (local, random);
        Endpoint[] distinct = [.. servers.Distinct()];
        if (distinct.Length is 0 or > StunClient.MaximumServers || distinct.DistinctBy(server => server.Address.Size).Count() > 1)
            throw new ArgumentException($"1 to {StunClient.MaximumServers} servers of one family are asked.", nameof(servers));
        foreach (Endpoint server in distinct)
            if (!StunClient.CanAsk(server))
                throw new ArgumentException($"No STUN server can be at {server}.", nameof(servers));
        _servers = [.. distinct.Select(server => New(now, MappingSocket, server))];
    }

    /// <summary>Whether there is nothing more to find out.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>When <see cref="Poll"/> is to be called again; never once it is finished.</summary>
    public Instant NextDeadline =>
        All().Aggregate(Instant.Never, (earliest, inquiry) => inquiry.IsDone ? earliest : Instant.Earlier(earliest, inquiry.Deadline));

    /// <summary>What is known.</summary>
    public NatBehaviour Result => _server is { } server
        ? new NatBehaviour(
            server.Destination, server.Reflexive, IsTranslated(server), Mapping(server), Filtering(), Hairpin(server), _serverAddresses)
        : new NatBehaviour(default, default, false, NatDependence.Unknown, NatDependence.Unknown, null, 0);

    /// <summary>Writes what is due by now. To be called again until it returns <see cref="OutcomeKind.Nothing"/>.</summary>
    /// <param name="now">The time.</param>
    /// <param name="request">Where a datagram goes, from index 0: at least <see cref="RequestSize"/> bytes.</param>
    /// <param name="socket">By which socket it is to be sent, 0 to <see cref="SocketCount"/> - 1.</param>
    /// <param name="destination">Where to.</param>
    public Outcome Poll(Instant now, Span<byte> request, out int socket, out Endpoint destination)
    {
        foreach (Inquiry inquiry in All())
        {
            if (inquiry.IsDone || now < inquiry.Deadline || !inquiry.TryRepeat(now))
                continue;
            (socket, destination) = (inquiry.Socket, inquiry.Destination);
            return Outcome.ToNetwork(Write(request, inquiry));
        }
        Advance(now);
        if (All().Exists(inquiry => !inquiry.IsDone && now >= inquiry.Deadline))
            return Poll(now, request, out socket, out destination); // What has just begun, which lasts longer than no time.
        (socket, destination) = (default, default);
        return Outcome.Nothing;
    }

    /// <summary>Takes what came from the network. Whatever answers none of the requests is passed over.</summary>
    /// <param name="now">The time.</param>
    /// <param name="socket">At which socket.</param>
    /// <param name="datagram">The datagram.</param>
    /// <param name="source">Where it came from.</param>
    public void Receive(Instant now, int socket, ReadOnlySpan<byte> datagram, Endpoint source)
    {
        if (!StunMessage.TryParse(datagram, out StunMessage message))
            return;
        foreach (Inquiry inquiry in All())
        {
            if (inquiry.IsDone || inquiry.Id != message.TransactionId)
                continue;
            if (inquiry == _hairpinThere || inquiry == _hairpinBack)
                TakeHairpin(inquiry, socket, message.Type);
            else if (inquiry.Socket == socket)
                Take(now, inquiry, message, source);
            break;
        }
        Advance(now);
    }

    private static void TakeHairpin(Inquiry inquiry, int socket, StunMessageType type)
    {
        if (type == StunMessageType.BindingRequest && inquiry.Socket != socket)
            inquiry.IsAnswered = true;
    }

    private static void Take(Instant now, Inquiry inquiry, StunMessage message, Endpoint source)
    {
        if (message.Type == StunMessageType.BindingError && source == inquiry.Destination)
        {
            // A server that knows no changes can still tell where we are.
            if (inquiry is { Change: StunChange.None, KnowsChanges: true })
                inquiry.Restart(now, knowsChanges: false);
            else
                inquiry.IsRefused = true;
            return;
        }
        if (message.Type != StunMessageType.BindingSuccess || !message.TryReadMappedAddress(out Endpoint reflexive))
            return;
        if (!inquiry.IsOrigin(source))
        {
            // From where it was asked, in place of elsewhere: it passes over what it should do.
            inquiry.IsRefused |= source == inquiry.Destination;
            return;
        }
        (inquiry.IsAnswered, inquiry.Reflexive) = (true, reflexive);
        if (message.TryReadAddress(StunAttribute.OtherAddress, out Endpoint other))
            inquiry.Other = Other(inquiry.Destination, other, message);
    }

    /// <summary>
    /// The server's other endpoint as we reach it: a server with one address, which a NAT of its own may have given it, tells another port
    /// of the address that it answers from.
    /// </summary>
    private static Endpoint Other(Endpoint asked, Endpoint other, StunMessage message)
    {
        Endpoint origin = message.TryReadAddress(StunAttribute.ResponseOrigin, out Endpoint told) ? told : asked;
        if (other.Address == origin.Address)
            other = asked with { Port = other.Port };
        return other != asked && other.Address.Size == asked.Address.Size ? other : default;
    }

    private Inquiry New(Instant now, int socket, Endpoint destination, StunChange change = StunChange.None) =>
        new(now, socket, destination, change, StunTransactionId.Create(_random));

    /// <summary>All requests so far.</summary>
    private List<Inquiry> All()
    {
        List<Inquiry> all = [.. _servers, .. _mapping];
        foreach (Inquiry? inquiry in (Inquiry?[])[_fromOtherAddress, _fromOtherPort, _hairpin, _hairpinThere, _hairpinBack])
            if (inquiry is not null)
                all.Add(inquiry);
        return all;
    }

    /// <summary>Begins what there is now enough known for.</summary>
    private void Advance(Instant now)
    {
        if (_server is null)
        {
            bool isSilent = _servers.TrueForAll(inquiry => inquiry.IsDone);
            _server = _servers.Find(inquiry => !inquiry.Other.IsNone) ?? (isSilent ? _servers.Find(inquiry => inquiry.IsAnswered) : null);
            if (_server is not null)
                AskMore(now, _server);
            else
                IsFinished = isSilent;
            return;
        }
        // The exchange between our own sockets waits for the others, so that it cannot be the reason for what they see.
        if (_hairpin is { IsAnswered: true } && _hairpinThere is null && _mapping.TrueForAll(inquiry => inquiry.IsDone))
        {
            _hairpinThere = New(now, HairpinSocket, _server.Reflexive);
            _hairpinBack = New(now, MappingSocket, _hairpin.Reflexive);
        }
        if (_hairpinThere is { IsAnswered: true } || _hairpinBack is { IsAnswered: true })
            _hairpinThere!.IsAnswered = _hairpinBack!.IsAnswered = true;
        IsFinished = All().TrueForAll(inquiry => inquiry.IsDone);
    }

    private void AskMore(Instant now, Inquiry server)
    {
        Endpoint asked = server.Destination, other = server.Other;
        if (IsTranslated(server))
            _hairpin = New(now, HairpinSocket, asked);
        if (other.IsNone)
            return;
        _serverAddresses = other.Address == asked.Address ? 1 : 2;
        IEnumerable<Endpoint> endpoints = [asked with { Port = other.Port }, other with { Port = asked.Port }, other];
        _mapping.AddRange(
            from endpoint in endpoints.Distinct()
            where !_servers.Exists(inquiry => inquiry.Destination == endpoint)
            select New(now, MappingSocket, endpoint));
        if (_serverAddresses == 2)
            _fromOtherAddress = New(now, OtherAddressSocket, asked, StunChange.Address | StunChange.Port);
        if (other.Port != asked.Port)
            _fromOtherPort = New(now, OtherPortSocket, asked, StunChange.Port);
    }

    private bool IsTranslated(Inquiry server) => !_local.Contains(server.Reflexive.Address);

    private NatDependence Mapping(Inquiry server)
    {
        Inquiry[] answered = [.. _servers.Concat(_mapping).Where(inquiry => inquiry.IsAnswered)];
        bool portsAgree = false, portsDiffer = false, addressesAgree = false, addressesDiffer = false;
        for (int i = 0; i < answered.Length; i++)
        {
            foreach (Inquiry other in answered.AsSpan(i + 1))
            {
                bool agree = answered[i].Reflexive == other.Reflexive;
                if (answered[i].Destination.Address == other.Destination.Address)
                    (portsAgree, portsDiffer) = (portsAgree | agree, portsDiffer | !agree);
                else
                    (addressesAgree, addressesDiffer) = (addressesAgree | agree, addressesDiffer | !agree);
            }
        }
        // Where a NAT does now this and now that, the worse counts.
        return portsDiffer ? NatDependence.AddressAndPortDependent
            : addressesDiffer && portsAgree ? NatDependence.AddressDependent
            : addressesDiffer ? NatDependence.AddressDependent | NatDependence.AddressAndPortDependent
            : addressesAgree || !IsTranslated(server) ? NatDependence.EndpointIndependent
            : portsAgree ? NatDependence.EndpointIndependent | NatDependence.AddressDependent
            : NatDependence.Unknown;
    }

    private NatDependence Filtering()
    {
        NatDependence possible = NatDependence.Unknown;
        if (_fromOtherAddress is { IsAnswered: true })
            return NatDependence.EndpointIndependent;
        if (_fromOtherPort is { IsAnswered: true })
            possible &= ~NatDependence.AddressAndPortDependent;
        // Silence tells something only where the server's other end is known to work.
        if (_fromOtherPort is { IsSilent: true } port && IsReached(port.Destination with { Port = _server!.Other.Port }))
            possible &= NatDependence.AddressAndPortDependent;
        if (_fromOtherAddress is { IsSilent: true } && IsReached(_server!.Other))
            possible &= ~NatDependence.EndpointIndependent;
        return possible;
    }

    private bool IsReached(Endpoint endpoint) =>
        _servers.Concat(_mapping).Any(inquiry => inquiry.Destination == endpoint && inquiry.IsAnswered);

    private bool? Hairpin(Inquiry server) => !IsTranslated(server) || _hairpinThere is not { } there || _hairpinBack is not { } back ? null
        : there.IsAnswered || back.IsAnswered ? true
        : there.IsSilent && back.IsSilent ? false
        : null;

    private static int Write(Span<byte> request, Inquiry inquiry)
    {
        const int TextSize = RequestSize - StunMessage.HeaderSize - StunMessage.AttributeHeaderSize;
        const int ChangeRequestSize = StunMessage.AttributeHeaderSize + sizeof(uint);
        var writer = new StunWriter(request, StunMessageType.BindingRequest, inquiry.Id);
        if (inquiry.KnowsChanges)
            writer.AddChangeRequest(inquiry.Change);
        // Long enough for an answer that tells everything.
        Span<byte> text = stackalloc byte[inquiry.KnowsChanges ? TextSize - ChangeRequestSize : TextSize];
        text.Fill((byte)' ');
        "kedge"u8.CopyTo(text);
        writer.AddSoftware(text);
        return writer.Length;
    }

    /// <summary>One request, repeated until it is answered or given up.</summary>
    private sealed class Inquiry(Instant now, int socket, Endpoint destination, StunChange change, StunTransactionId id)
    {
        private Instant _giveUp = now + StunClient.GiveUpTime;
        private TimeSpan _timeout = StunClient.InitialTimeout;

        public int Socket => socket;

        public Endpoint Destination => destination;

        /// <summary>From where else the answer is to come.</summary>
        public StunChange Change => change;

        public StunTransactionId Id => id;

        public Instant Deadline { get; private set; } = now;

        /// <summary>Whether CHANGE-REQUEST is in the request.</summary>
        public bool KnowsChanges { get; private set; } = true;

        /// <summary>Where the server saw us.</summary>
        public Endpoint Reflexive { get; set; }

        /// <summary>The server's other endpoint, as far as it has told one.</summary>
        public Endpoint Other { get; set; }

        public bool IsAnswered { get; set; }

        /// <summary>Whether the server cannot do what was asked.</summary>
        public bool IsRefused { get; set; }

        public bool IsSilent { get; private set; }

        public bool IsDone => IsAnswered || IsRefused || IsSilent;

        /// <summary>Whether an answer may come from an endpoint.</summary>
        public bool IsOrigin(Endpoint source) =>
            change.HasFlag(StunChange.Address) ? source.Address != destination.Address
            : source.Address == destination.Address && change.HasFlag(StunChange.Port) == (source.Port != destination.Port);

        /// <summary>Goes on, the deadline having come; false where it is given up.</summary>
        public bool TryRepeat(Instant now)
        {
            if (now >= _giveUp)
            {
                IsSilent = true;
                return false;
            }
            Deadline = Instant.Earlier(now + _timeout, _giveUp);
            _timeout *= 2;
            return true;
        }

        public void Restart(Instant now, bool knowsChanges)
        {
            (Deadline, KnowsChanges, _giveUp, _timeout) = (now, knowsChanges, now + StunClient.GiveUpTime, StunClient.InitialTimeout);
        }
    }
}
