namespace Kedge.Protocol.Discovery;

/// <summary>
/// How two nodes that have a peer in common hear of each other at the same time, so that both open their paths: <c>target(8) question(8) hops(1) |
/// length(2) record | length(2) certificate</c> of the node that is introduced; both empty where that is the sender. Who is no peer of the target
/// passes it on to who told of it, or to its homes.
/// </summary>
/// <param name="state">What is known.</param>
/// <param name="intake">Verifies.</param>
internal sealed class Introductions(DiscoveryState state, Intake intake)
{
    /// <summary>How often an introduction is passed on.</summary>
    public const int MaximumHops = 4;

    private const int MaximumIntroducers = 3;

    private static readonly TimeSpan AskInterval = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan RepeatInterval = TimeSpan.FromSeconds(1);

    private readonly InstantTable<NodeId> _askedAt = new(512);
    private readonly InstantTable<NodeId> _unreachableUntil = new(512);
    private readonly InstantTable<ulong> _seen = new(1024);
    private readonly InstantTable<NodeId> _introducedAt = new(1024);
    private readonly InstantTable<(NodeId Asker, NodeId Target)> _passedOnAt = new(1024);

    /// <summary>Whether a node did not connect or answer lately.</summary>
    public bool IsUnreachable(Instant now, NodeId node) => _unreachableUntil.TryGet(node, out Instant until) && now < until;

    /// <summary>Notes that a node does not connect or answer.</summary>
    public void MarkUnreachable(Instant now, NodeId node, TimeSpan time) => _unreachableUntil.Set(node, now + time);

    /// <summary>Notes that a node is there.</summary>
    public void MarkReachable(Instant now, NodeId node) => _unreachableUntil.Set(node, now);

    /// <summary>Asks for a session with a node, and has it told of this one. Does nothing if that was just asked for.</summary>
    public void Connect(Instant now, Member member)
    {
        if (member.IsConnected || member.Record is not { } record)
            return;
        bool isRepeated = _askedAt.TryGet(member.Id, out Instant last) && now - last < Intake.Interest;
        if (isRepeated && now - last < AskInterval)
            return;
        _askedAt.Set(member.Id, now);
        state.Report(new ConnectionWanted(member.Certificate, record));
        // Whom strangers reach is knocked at.
        if (isRepeated || !record.Traits.HasFlag(NodeTraits.ReachedByStrangers))
            Ask(member, isRepeated ? MaximumIntroducers : 1);
    }

    /// <summary>Has a node told of this one, by those who may be its peers.</summary>
    public void Ask(Member member, int introducers)
    {
        ulong question = state.NextNumber();
        foreach (DiscoveryPeer peer in IntroducersOf(member, except: null).Take(introducers))
            Send(peer, member.Id, question, MaximumHops, asker: null);
    }

    /// <summary>Introduces a node to a peer, if that was not just done.</summary>
    public void PassOn(Instant now, DiscoveryPeer target, Member asker)
    {
        (NodeId, NodeId) pair = (asker.Id, target.Member.Id);
        if (_passedOnAt.TryGet(pair, out Instant last) && now - last < RepeatInterval)
            return;
        _passedOnAt.Set(pair, now);
        Send(target, target.Member.Id, state.NextNumber(), hops: 0, asker);
    }

    /// <summary>Takes one.</summary>
    /// <param name="now">The time.</param>
    /// <param name="peer">Who sent it.</param>
    /// <param name="body">The body.</param>
    /// <param name="lacking">The node whose certificate has to be there first.</param>
    /// <returns>False if one has.</returns>
    public bool TryReceive(Instant now, DiscoveryPeer peer, ReadOnlySpan<byte> body, out NodeId lacking)
    {
        lacking = default;
        var reader = new FrameReader(body);
        var target = new NodeId(reader.UInt64());
        ulong question = reader.UInt64();
        int hops = Math.Min((int)reader.Byte(), MaximumHops);
        ReadOnlySpan<byte> record = reader.Counted(), certificate = reader.Counted();
        bool isForThisNode = target == state.Self.Id;
        if (!reader.IsValid || (_seen.TryGet(question, out _) && !isForThisNode) || !peer.TrySpendQuestion(now))
            return true;
        Member? asker = peer.Member;
        if (!record.IsEmpty)
        {
            intake.TakeCertificate(now, peer, certificate);
            IntakeResult result = intake.TakeRecord(now, peer, record, isOfInterest: isForThisNode, out asker, out lacking);
            if (result is IntakeResult.LacksCertificate)
                return false;
            if (result is IntakeResult.Refused)
                return true;
        }
        if (asker is null or { IsSelf: true } || asker.Record is null || asker.Id == target)
            return true;
        _seen.Set(question, now);
        if (isForThisNode)
            Report(now, asker);
        else if (state.PeerOf(target) is { } connected)
            Send(connected, target, question, hops: 0, asker);
        else if (hops > 0 && state.Members.Find(target) is { } member && IntroducersOf(member, peer).FirstOrDefault() is { } next)
            Send(next, target, question, hops - 1, asker);
        return true;
    }

    private IEnumerable<DiscoveryPeer> IntroducersOf(Member member, DiscoveryPeer? except)
    {
        IEnumerable<NodeId> known = [member.ToldBy, .. member.Record?.Homes ?? []];
        return known.Select(state.PeerOf).OfType<DiscoveryPeer>().Where(peer => peer != except && peer.Member != member).Distinct();
    }

    private void Report(Instant now, Member asker)
    {
        if (_introducedAt.TryGet(asker.Id, out Instant last) && now - last < RepeatInterval)
            return;
        _introducedAt.Set(asker.Id, now);
        state.Report(new MemberIntroduced(asker.Certificate, asker.Record!));
    }

    private void Send(DiscoveryPeer to, NodeId target, ulong question, int hops, Member? asker)
    {
        FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Introduce, 0);
        writer.AddUInt64(target.Value);
        writer.AddUInt64(question);
        writer.AddByte((byte)hops);
        writer.AddCounted(asker is null ? [] : asker.Record!.Bytes.Span);
        writer.AddCountedIfRoom(asker is null ? [] : asker.Certificate.Der.Span);
        state.Send(to.Key, writer.ToFrame());
    }
}
