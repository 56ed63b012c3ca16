using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// The look-ups of this node: what it knows itself, then the three anchors that should know, each replaced by the next if it does not answer, then any
/// three peers, who ask on.
/// </summary>
/// <param name="state">What is known.</param>
/// <param name="intake">Verifies.</param>
/// <param name="introductions">Connects with anchors, and has nodes told of this one.</param>
internal sealed class Lookups(DiscoveryState state, Intake intake, Introductions introductions)
{
    /// <summary>How many can be under way.</summary>
    public const int Capacity = 64;

    /// <summary>When one fails at the latest.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long the same look-up fails at once after it has failed.</summary>
    public static readonly TimeSpan NegativeTime = TimeSpan.FromSeconds(5);

    private const int Width = 3;
    private const int MaximumAsked = 15;
    private const int Attempts = 4;

    private static readonly TimeSpan FirstInterval = TimeSpan.FromSeconds(0.4);
    private static readonly TimeSpan AnchorPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PeersAfter = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan PeerPatience = TimeSpan.FromSeconds(3);

    private readonly Dictionary<IpAddress, Lookup> _lookups = [];
    private readonly InstantTable<IpAddress> _failedAt = new(256);
    private readonly InstantTable<ulong> _endedAt = new(256); // by question

    /// <summary>When <see cref="Poll"/> is to be called.</summary>
    public Instant NextDeadline => _lookups.Values.Aggregate(Instant.Never, (next, lookup) => Instant.Earlier(next, lookup.NextAt));

    /// <summary>How many are under way.</summary>
    public int Count => _lookups.Count;

    /// <summary>Begins one, unless it is under way.</summary>
    public void Begin(Instant now, IpAddress address)
    {
        if (_lookups.ContainsKey(address))
            return;
        if (_failedAt.TryGet(address, out Instant failed) && now - failed < NegativeTime)
        {
            state.Report(new MemberNotFound(address, LookupFailure.Unknown));
            return;
        }
        Member? known = state.Members.Find(address);
        if (known is { IsSelf: true })
        {
            state.Report(new MemberNotFound(address, LookupFailure.Self));
            return;
        }
        if (_lookups.Count >= Capacity)
        {
            state.Report(new MemberNotFound(address, LookupFailure.TooMany));
            return;
        }
        var lookup = new Lookup(address, state.NextNumber(), now);
        if (known is not null && state.IsFresh(now, known))
        {
            known.UsedAt = now;
            Found(now, lookup, known);
            // It has to be told of this node as well, and may have moved, also while its session lasts: those who know are asked all the same.
            introductions.Ask(known, Width);
        }
        _lookups.Add(address, lookup);
        Step(now, lookup);
    }

    /// <summary>Asks an anchor that has connected.</summary>
    public void Connected(Instant now, DiscoveryPeer peer)
    {
        foreach (Lookup lookup in _lookups.Values.Where(lookup => lookup.Connecting.ContainsKey(peer.Member.Id)).ToArray())
        {
            lookup.Connecting.Remove(peer.Member.Id);
            Ask(now, lookup, peer, hops: 0, AnchorPatience);
        }
    }

    /// <summary>Goes on with those that are due.</summary>
    public void Poll(Instant now)
    {
        if (_lookups.Count == 0)
            return;
        foreach (Lookup lookup in _lookups.Values.Where(lookup => lookup.NextAt <= now).ToArray())
            Step(now, lookup);
    }

    /// <summary>Takes an answer.</summary>
    /// <param name="now">The time.</param>
    /// <param name="peer">Who answers.</param>
    /// <param name="id">The id.</param>
    /// <param name="body">The body.</param>
    /// <param name="lacking">The node whose certificate has to be there first.</param>
    /// <returns>False if one has.</returns>
    public bool TryReceive(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body, out NodeId lacking)
    {
        lacking = default;
        if (!LookupFrame.TryReadAnswer(body, out ulong question, out LookupStatus status, out var record, out var certificate))
            return true;
        Lookup? lookup = _lookups.Values.FirstOrDefault(one => one.Question == question);
        bool isOurs = lookup is not null || _endedAt.TryGet(question, out _);
        if (!isOurs || !state.Requests.IsOpen(id, peer.Key))
            return true;
        Member? member = null;
        if (status == LookupStatus.Found)
        {
            intake.TakeCertificate(now, peer, certificate);
            IntakeResult result = intake.TakeRecord(now, peer, record, isOfInterest: true, out member, out lacking);
            if (result == IntakeResult.LacksCertificate)
                return false;
        }
        // Another anchor may have been quicker, and know less: what is newer is told all the same.
        if (!state.Requests.TryComplete(id, peer.Key) || lookup is null)
            return true;
        lookup.Open--;
        if (member is { IsSelf: false } && member.Certificate.Prefixes.Any(prefix => prefix.Contains(lookup.Address)) && state.IsFresh(now, member))
        {
            Found(now, lookup, member);
            _lookups.Remove(lookup.Address);
            _endedAt.Set(question, now);
            return true;
        }
        lookup.Denials++;
        Step(now, lookup);
        return true;
    }

    private void Step(Instant now, Lookup lookup)
    {
        foreach (NodeId late in lookup.Connecting.Where(one => one.Value <= now).Select(one => one.Key).ToArray())
            lookup.Connecting.Remove(late);
        if (now >= lookup.Begun + Patience)
        {
            Fail(now, lookup);
            return;
        }
        AskAnchors(now, lookup);
        bool isLate = now >= lookup.Begun + PeersAfter;
        if (!lookup.HasAskedPeers && !lookup.IsFound && (isLate || lookup.IsIdle || lookup.Denials >= Width))
            AskPeers(now, lookup);
        if (lookup.IsIdle)
        {
            Fail(now, lookup);
            return;
        }
        lookup.NextAt = lookup.Connecting.Values.Aggregate(lookup.Begun + Patience, Instant.Earlier);
        if (!isLate && !lookup.HasAskedPeers)
            lookup.NextAt = Instant.Earlier(lookup.NextAt, lookup.Begun + PeersAfter);
    }

    private void AskAnchors(Instant now, Lookup lookup)
    {
        lookup.Anchors ??= HomeOrder.Of([.. state.View.Anchors.Where(anchor => !anchor.IsSelf && state.IsFresh(now, anchor))], lookup.Address);
        foreach (Member anchor in lookup.Anchors)
        {
            // Three of those that answer: who says that it knows nobody counts, who says nothing does not.
            if (lookup.Open + lookup.Connecting.Count + lookup.Denials >= Width || lookup.Asked.Count >= MaximumAsked)
                return;
            bool isHopeless = !anchor.IsConnected && introductions.IsUnreachable(now, anchor.Id);
            if (isHopeless || !lookup.Asked.Add(anchor.Id))
                continue;
            if (state.PeerOf(anchor.Id) is { } peer)
            {
                Ask(now, lookup, peer, hops: 0, AnchorPatience);
                continue;
            }
            lookup.Connecting[anchor.Id] = now + AnchorPatience;
            introductions.Connect(now, anchor);
        }
    }

    private void AskPeers(Instant now, Lookup lookup)
    {
        lookup.HasAskedPeers = true;
        List<DiscoveryPeer> peers = [.. state.Peers.Where(peer => !peer.IsShunned && !lookup.Asked.Contains(peer.Member.Id))];
        for (int i = 0; i < Width && peers.Count > 0; i++)
        {
            int index = state.NextIndex(peers.Count);
            DiscoveryPeer peer = peers[index];
            peers.RemoveAt(index);
            lookup.Asked.Add(peer.Member.Id);
            Ask(now, lookup, peer, LookupFrame.MaximumHops, PeerPatience);
        }
    }

    private void Ask(Instant now, Lookup lookup, DiscoveryPeer peer, int hops, TimeSpan patience)
    {
        lookup.Open++;
        lookup.HasAsked = true;
        var frame = new LookupFrame(lookup.Question, hops, lookup.Address);
        state.Requests.Begin(now, peer.Key, id => frame.ToFrame(id, asker: null), then =>
        {
            lookup.Open--;
            if (_lookups.GetValueOrDefault(lookup.Address) == lookup)
                lookup.NextAt = then;
        }, patience);
    }

    private void Found(Instant now, Lookup lookup, Member member)
    {
        lookup.IsFound = true;
        member.InterestUntil = now + Intake.Interest;
        state.Report(new MemberFound(lookup.Address, member.Certificate, member.Record!));
    }

    private void Fail(Instant now, Lookup lookup)
    {
        _lookups.Remove(lookup.Address);
        if (lookup.IsFound)
            return;
        LookupFailure why = lookup.Denials > 0 ? LookupFailure.Unknown
            : lookup.HasAsked || lookup.Asked.Count > 0 ? LookupFailure.NoAnswer
            : LookupFailure.NoPeers;
        if (why != LookupFailure.NoAnswer && lookup.Attempt < Attempts)
        {
            // Who has just come, this node or the other, is not known yet to those that will know it in a moment.
            _lookups[lookup.Address] = new Lookup(lookup.Address, state.NextNumber(), lookup.Begun)
            {
                NextAt = now + FirstInterval * (1 << (lookup.Attempt - 1)),
                Attempt = lookup.Attempt + 1,
            };
            return;
        }
        if (why == LookupFailure.Unknown)
            _failedAt.Set(lookup.Address, now);
        state.Report(new MemberNotFound(lookup.Address, why));
    }

    private sealed class Lookup(IpAddress address, ulong question, Instant begun)
    {
        public IpAddress Address => address;

        public ulong Question => question;

        public Instant Begun { get; } = begun;

        public Instant NextAt { get; set; } = begun;

        /// <summary>The anchors in the order in which they are asked.</summary>
        public Member[]? Anchors { get; set; }

        public HashSet<NodeId> Asked { get; } = [];

        /// <summary>Those with which this node connects, and until when it waits.</summary>
        public Dictionary<NodeId, Instant> Connecting { get; } = [];

        /// <summary>How many questions are open.</summary>
        public int Open { get; set; }

        /// <summary>How many have said that they know nobody.</summary>
        public int Denials { get; set; }

        public bool HasAsked { get; set; }

        public bool HasAskedPeers { get; set; }

        public bool IsFound { get; set; }

        public int Attempt { get; init; } = 1;

        public bool IsIdle => Open == 0 && Connecting.Count == 0;
    }
}
