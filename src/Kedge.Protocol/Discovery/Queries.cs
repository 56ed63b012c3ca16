using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// The look-ups of others: answered with what is known here, and the node that is found is told of who asks; passed on, where they may be, to the
/// anchors that should know, or to other peers. Each question is treated once, wherever it comes from.
/// </summary>
/// <param name="state">What is known.</param>
/// <param name="intake">Verifies.</param>
/// <param name="introductions">Tells of who asks.</param>
internal sealed class Queries(DiscoveryState state, Intake intake, Introductions introductions)
{
    /// <summary>How many are remembered.</summary>
    public const int Capacity = 1024;

    private const int Width = 3;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1.5);

    private readonly Dictionary<ulong, Query> _queries = [];
    private readonly Queue<ulong> _order = new();

    /// <summary>How many look-ups were passed on, counted by the peers that they were passed on to.</summary>
    public long PassedOn { get; private set; }

    /// <summary>Takes a look-up.</summary>
    /// <param name="now">The time.</param>
    /// <param name="peer">Who sent it.</param>
    /// <param name="id">The id.</param>
    /// <param name="body">The body.</param>
    /// <param name="lacking">The node whose certificate has to be there first.</param>
    /// <returns>False if one has.</returns>
    public bool TryReceive(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body, out NodeId lacking)
    {
        lacking = default;
        if (!LookupFrame.TryRead(body, out LookupFrame lookup, out var record, out var certificate))
            return true;
        if (_queries.TryGetValue(lookup.Question, out Query? known))
        {
            // Asked again, by the one who asked before; or it has come in a circle.
            bool isRepeated = known.From == peer.Key && known.Id == id;
            if (!isRepeated)
                state.Send(peer.Key, lookup.ToAnswer(id, found: null));
            else if (known.IsAnswered)
                Answer(known, known.Found);
            return true;
        }
        if (!peer.TrySpendQuestion(now))
            return true;
        Member? asker = peer.Member;
        if (!record.IsEmpty)
        {
            intake.TakeCertificate(now, peer, certificate);
            IntakeResult result = intake.TakeRecord(now, peer, record, isOfInterest: false, out asker, out lacking);
            if (result == IntakeResult.LacksCertificate)
                return false;
            if (result == IntakeResult.Refused || asker is null)
                return true;
        }
        var query = new Query(lookup, peer.Key, id, asker);
        Remember(query);
        if (state.Members.Find(lookup.Address) is { } member && state.IsFresh(now, member))
            Answer(now, query, member);
        else if (lookup.Hops > 0)
            PassOn(now, query);
        if (query is { IsAnswered: false, Open: 0 })
            Answer(query, found: null);
        return true;
    }

    /// <summary>Takes an answer to one that was passed on; the same as of <see cref="Lookups.TryReceive"/>.</summary>
    public bool TryReceiveAnswer(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body, out NodeId lacking)
    {
        lacking = default;
        bool isOurs = LookupFrame.TryReadAnswer(body, out ulong question, out LookupStatus status, out var record, out var certificate)
            && _queries.ContainsKey(question)
            && state.Requests.IsOpen(id, peer.Key);
        if (!isOurs)
            return true;
        Query query = _queries[question];
        Member? member = null;
        if (status == LookupStatus.Found)
        {
            intake.TakeCertificate(now, peer, certificate);
            if (intake.TakeRecord(now, peer, record, isOfInterest: false, out member, out lacking) == IntakeResult.LacksCertificate)
                return false;
        }
        if (!state.Requests.TryComplete(id, peer.Key))
            return true;
        query.Open--;
        bool isRight = member is not null
            && state.IsFresh(now, member)
            && member.Certificate.Prefixes.Any(prefix => prefix.Contains(query.Lookup.Address));
        if (query.IsAnswered)
            return true;
        if (isRight)
            Answer(query, member);
        else if (query.Open == 0)
            Answer(query, found: null);
        return true;
    }

    private void Answer(Instant now, Query query, Member member)
    {
        Answer(query, member);
        if (state.PeerOf(member.Id) is { } target && query.Asker.Record is not null && query.Asker != member)
            introductions.PassOn(now, target, query.Asker);
    }

    private void Answer(Query query, Member? found)
    {
        (query.IsAnswered, query.Found) = (true, found);
        state.Send(query.From, query.Lookup.ToAnswer(query.Id, found));
    }

    private void PassOn(Instant now, Query query)
    {
        LookupFrame further = query.Lookup with { Hops = query.Lookup.Hops - 1 };
        Member[] homes = HomeOrder.Of([.. state.View.Anchors.Where(anchor => anchor.IsConnected)], further.Address);
        IEnumerable<DiscoveryPeer> peers = homes.Select(home => state.PeerOf(home.Id)!).Concat(state.Peers).Distinct();
        foreach (DiscoveryPeer peer in peers.Where(peer => peer.Key != query.From && peer.Member != query.Asker && !peer.IsShunned).Take(Width).ToArray())
        {
            PassedOn++;
            query.Open++;
            state.Requests.Begin(now, peer.Key, id => further.ToFrame(id, query.Asker), _ =>
            {
                if (--query.Open == 0 && !query.IsAnswered)
                    Answer(query, found: null);
            }, Patience);
        }
    }

    private void Remember(Query query)
    {
        if (_queries.Count >= Capacity)
            _queries.Remove(_order.Dequeue());
        _queries.Add(query.Lookup.Question, query);
        _order.Enqueue(query.Lookup.Question);
    }

    private sealed class Query(LookupFrame lookup, PublicKey from, uint id, Member asker)
    {
        public LookupFrame Lookup => lookup;

        public PublicKey From => from;

        public uint Id => id;

        public Member Asker => asker;

        public Member? Found { get; set; }

        public bool IsAnswered { get; set; }

        public int Open { get; set; }
    }
}
