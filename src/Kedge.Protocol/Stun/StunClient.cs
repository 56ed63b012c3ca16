using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Stun;

/// <summary>
/// Asks servers from which endpoint our datagrams reach them (RFC 8489, section 6), again and again, so that the NATs' mapping is kept and a
/// change is noticed. It is handed datagrams, time and randomness, and says what is to be sent; all of it by one socket, whose port is what
/// this is about.
/// <para>
/// A request is repeated after 0.5 s and 1 s more, and given up 3 s after it began: much sooner than the RFC's 39.5 s, because another one
/// follows <see cref="Interval"/> later anyway. Owned by one thread, but for <see cref="IsServer"/>.
/// </para>
/// </summary>
public sealed class StunClient : IControlProtocol
{
    /// <summary>How many servers are asked at most.</summary>
    public const int MaximumServers = 8;

    /// <summary>Bytes of a request.</summary>
    public const int RequestSize = StunMessage.HeaderSize;

    /// <summary>
    /// The longest time from one request to the next; a random fifth of it is taken off each time, so that many nodes do not ask at once. NATs
    /// forget a mapping after 30 s and more.
    /// </summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(25);

    /// <summary>How long after its first datagram a request is given up.</summary>
    public static readonly TimeSpan GiveUpTime = TimeSpan.FromSeconds(3);

    /// <summary>How long a request waits for its first repetition; each further wait is twice as long (the RFC's RTO).</summary>
    public static readonly TimeSpan InitialTimeout = TimeSpan.FromMilliseconds(500);

    /// <summary>How many requests in a row go unanswered before an answer of old is forgotten.</summary>
    private const int ForgetAfter = 3;

    private readonly RandomBytes _random;
    private readonly List<Inquiry> _inquiries = [];
    private volatile Endpoint[] _servers = [];

    /// <summary>A client without servers.</summary>
    public StunClient(RandomBytes random) => _random = random;

    /// <summary>The servers that are asked. Any thread.</summary>
    public IReadOnlyList<Endpoint> Servers => _servers;

    /// <summary>What the servers have answered, in their order.</summary>
    public IEnumerable<StunResult> Results => _inquiries.Select(inquiry => new StunResult(inquiry.Server, inquiry.Reflexive));

    /// <summary>Where the servers that have answered see the port, in their order.</summary>
    public IEnumerable<Endpoint> Reflexive => from inquiry in _inquiries where !inquiry.Reflexive.IsNone select inquiry.Reflexive;

    /// <summary>Since when none of the servers has answered though it was asked; null while one has, or none has been asked.</summary>
    public Instant? UnansweredSince =>
        _inquiries.Count == 0 || _inquiries.Exists(inquiry => inquiry.Asked is null) ? null : _inquiries.Max(inquiry => inquiry.Asked);

    /// <summary>How many answers there have been.</summary>
    public long Answers { get; private set; }

    /// <summary>What the answers tell about the NATs on the way.</summary>
    public NatMapping Mapping
    {
        get
        {
            var mapping = NatMapping.Unknown;
            foreach (Inquiry a in _inquiries)
            {
                foreach (Inquiry b in _inquiries)
                {
                    if (a.Reflexive.IsNone || b.Reflexive.IsNone || a.Reflexive.Address.Size != b.Reflexive.Address.Size)
                        continue;
                    if (a.Reflexive != b.Reflexive)
                        return NatMapping.EndpointDependent;
                    // Two ports of one address would tell nothing about other addresses.
                    if (a.Server.Address != b.Server.Address)
                        mapping = NatMapping.EndpointIndependent;
                }
            }
            return mapping;
        }
    }

    /// <summary>When <see cref="Poll"/> is to be called again.</summary>
    public Instant NextDeadline
    {
        get
        {
            Instant earliest = Instant.Never;
            foreach (Inquiry inquiry in _inquiries)
                earliest = Instant.Earlier(earliest, inquiry.Deadline);
            return earliest;
        }
    }

    /// <summary>Whether an endpoint is one of the servers, so that a datagram from there may be meant for us. Any thread.</summary>
    public bool IsServer(Endpoint endpoint) => Array.IndexOf(_servers, endpoint) >= 0;

    /// <summary>Whether there can be a server at an endpoint.</summary>
    public static bool CanAsk(Endpoint server) => server.Port != 0 && StunAddress.IsUnicast(server.Address);

    /// <summary>
    /// Asks these servers from now on and no others. Those that are asked already go on as they are; the new ones are asked at once.
    /// </summary>
    /// <exception cref="ArgumentException">There are more than <see cref="MaximumServers"/>, or nothing can be sent to one of them.</exception>
    public void Use(Instant now, IEnumerable<Endpoint> servers)
    {
        Endpoint[] wanted = [.. servers.Distinct()];
        if (wanted.Length > MaximumServers)
            throw new ArgumentException($"{wanted.Length} STUN servers are too many: at most {MaximumServers} are asked.", nameof(servers));
        foreach (Endpoint server in wanted)
            if (!CanAsk(server))
                throw new ArgumentException($"No STUN server can be at {server}.", nameof(servers));
        Inquiry[] inquiries =
            [.. from server in wanted select _inquiries.Find(known => known.Server == server) ?? new Inquiry(server) { Deadline = now }];
        _inquiries.Clear();
        _inquiries.AddRange(inquiries);
        _servers = wanted;
    }

    /// <summary>Forgets what was answered and asks again at once: the port is another one, or the network is.</summary>
    public void Restart(Instant now)
    {
        foreach (Inquiry inquiry in _inquiries)
            inquiry.Restart(now);
    }

    /// <summary>Asks again now, and keeps what was answered until there is another answer.</summary>
    public void AskAgain(Instant now)
    {
        foreach (Inquiry inquiry in _inquiries)
            inquiry.AskAgain(now);
    }

    /// <summary>Writes what is due by now. To be called again until it returns <see cref="OutcomeKind.Nothing"/>.</summary>
    /// <param name="now">The time.</param>
    /// <param name="request">Where a request goes, from index 0: at least <see cref="RequestSize"/> bytes.</param>
    /// <param name="server">Where it is to be sent.</param>
    public Outcome Poll(Instant now, Span<byte> request, out Endpoint server)
    {
        foreach (Inquiry inquiry in _inquiries)
        {
            if (now < inquiry.Deadline || !inquiry.TryAdvance(now, _random))
                continue;
            server = inquiry.Server;
            var writer = new StunWriter(request, StunMessageType.BindingRequest, inquiry.Id);
            return Outcome.ToNetwork(writer.Length);
        }
        server = default;
        return Outcome.Nothing;
    }

    /// <summary>Takes what came from the network and is a STUN message by its looks.</summary>
    /// <param name="datagram">The datagram.</param>
    /// <param name="source">Where it came from.</param>
    public Outcome Receive(ReadOnlySpan<byte> datagram, Endpoint source)
    {
        if (!StunMessage.TryParse(datagram, out StunMessage message))
            return Outcome.Drop(DropReason.UnknownDatagram);
        foreach (Inquiry inquiry in _inquiries)
        {
            if (inquiry.Server != source || inquiry.Id != message.TransactionId)
                continue;
            if (message.Type == StunMessageType.BindingError)
                return Outcome.Nothing; // asked in vain; it counts as unanswered
            if (message.Type != StunMessageType.BindingSuccess || !message.TryReadMappedAddress(out Endpoint reflexive))
                break;
            inquiry.Accept(reflexive);
            Answers++;
            return Outcome.Nothing;
        }
        return Outcome.Drop(DropReason.UnexpectedStun);
    }

    DropReason IControlProtocol.Check(ReadOnlySpan<byte> datagram, Endpoint remote) => IsServer(remote) ? DropReason.None : DropReason.UnexpectedStun;

    ControlOutcome IControlProtocol.Receive(Instant now, Span<byte> datagram, Endpoint remote, Endpoint local, Span<byte> reply) =>
        new(Receive(datagram, remote));

    ControlOutcome IControlProtocol.Poll(Instant now, Span<byte> datagram)
    {
        Outcome outcome = Poll(now, datagram, out Endpoint server);
        return new ControlOutcome(outcome, server);
    }

    /// <summary>One server, and where the current request to it stands.</summary>
    private sealed class Inquiry(Endpoint server)
    {
        private Instant _giveUp = Instant.Never; // never while there is no request on its way
        private Instant _next;
        private TimeSpan _timeout;
        private int _unanswered;

        public Endpoint Server => server;

        public Endpoint Reflexive { get; private set; }

        public StunTransactionId Id { get; private set; }

        /// <summary>When it was first asked since the last answer; null for not yet.</summary>
        public Instant? Asked { get; private set; }

        public Instant Deadline { get; set; }

        public void Restart(Instant now)
        {
            (Reflexive, Deadline, _giveUp, _unanswered, Asked) = (default, now, Instant.Never, 0, null);
        }

        public void AskAgain(Instant now)
        {
            if (_giveUp == Instant.Never)
                Deadline = now;
        }

        /// <summary>Goes on, the deadline having come.</summary>
        /// <returns>Whether there is something to send.</returns>
        public bool TryAdvance(Instant now, RandomBytes random)
        {
            if (now >= _giveUp)
            {
                if (++_unanswered == ForgetAfter)
                    Reflexive = default;
                (_giveUp, Deadline) = (Instant.Never, _next);
                return false;
            }
            if (_giveUp == Instant.Never)
            {
                Id = StunTransactionId.Create(random);
                _giveUp = now + GiveUpTime;
                Asked ??= now;
                _next = now + Jittered(random);
                _timeout = InitialTimeout;
            }
            Deadline = Instant.Earlier(now + _timeout, _giveUp);
            _timeout *= 2;
            return true;
        }

        public void Accept(Endpoint reflexive)
        {
            (Reflexive, _unanswered, Asked) = (reflexive, 0, null);
            if (_giveUp != Instant.Never)
                (_giveUp, Deadline) = (Instant.Never, _next);
        }

        private static TimeSpan Jittered(RandomBytes random)
        {
            Span<byte> bytes = stackalloc byte[4];
            random(bytes);
            return Interval * (1 - 0.2 * (BitConverter.ToUInt32(bytes) / (double)uint.MaxValue));
        }
    }
}
