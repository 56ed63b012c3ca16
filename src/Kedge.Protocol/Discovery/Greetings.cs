using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// What two peers tell each other when they have connected: <c>version(1) flags(1): 1 an answer | features(4) | count(1) (issuer(20)
/// number(8)) of lists | count(1) candidates | length(2) record</c>. The one with the lower identifier begins; the other one does if it hears
/// nothing for a second.
/// </summary>
/// <param name="state">What is known.</param>
/// <param name="own">This node's record.</param>
/// <param name="intake">Verifies.</param>
/// <param name="lists">The revocation lists.</param>
internal sealed class Greetings(DiscoveryState state, OwnRecord own, Intake intake, RevocationSpread lists)
{
    private const byte Version = 1;
    private const byte AnswerFlag = 1;

    private static readonly TimeSpan Politeness = TimeSpan.FromSeconds(1);

    private readonly Queue<(Instant At, DiscoveryPeer Peer)> _waiting = new();

    /// <summary>When <see cref="Poll"/> is to be called.</summary>
    public Instant NextDeadline => _waiting.TryPeek(out (Instant At, DiscoveryPeer) first) ? first.At : Instant.Never;

    /// <summary>Greets a peer that has connected, or lets it do so.</summary>
    public void Begin(Instant now, DiscoveryPeer peer)
    {
        if (state.Self.Id < peer.Member.Id)
            Greet(now, peer);
        else
            _waiting.Enqueue((now + Politeness, peer));
    }

    /// <summary>Greets those that should have done so.</summary>
    public void Poll(Instant now)
    {
        while (NextDeadline <= now)
        {
            DiscoveryPeer peer = _waiting.Dequeue().Peer;
            if (!peer.HasGreeted && state.PeerOf(peer.Key) == peer)
                Greet(now, peer);
        }
    }

    /// <summary>Takes a greeting.</summary>
    public void Receive(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body)
    {
        var reader = new FrameReader(body);
        reader.Byte(); // later versions say more, behind what this one does
        bool isAnswer = (reader.Byte() & AnswerFlag) != 0;
        reader.UInt32();
        Dictionary<string, long> numbers = RevocationSpread.ReadNumbers(ref reader);
        IReadOnlyList<PeerEndpoint> candidates = reader.Endpoints(NodeRecord.MaximumEndpoints);
        ReadOnlySpan<byte> record = reader.Counted();
        if (!reader.IsValid || (isAnswer && !state.Requests.TryComplete(id, peer.Key)))
            return;
        peer.HasGreeted = true;
        bool hasOthers = !peer.Candidates.SequenceEqual(candidates);
        peer.Candidates = candidates;
        if (!record.IsEmpty)
            intake.TakeRecord(now, peer, record, isOfInterest: false, out _, out _);
        if (hasOthers)
            state.Report(new EndpointsTold(peer.Member.Certificate, peer.Member.Record, intake.EndpointsOf(peer.Member)));
        lists.Note(now, peer, numbers);
        if (!isAnswer)
            state.Send(peer.Key, Write(peer, id, AnswerFlag));
    }

    private void Greet(Instant now, DiscoveryPeer peer) =>
        state.Requests.Begin(now, peer.Key, id => Write(peer, id, 0), failed: null);

    private byte[] Write(DiscoveryPeer peer, uint id, byte flags)
    {
        FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Hello, id);
        writer.AddByte(Version);
        writer.AddByte(flags);
        writer.AddUInt32(0); // features: none yet
        lists.WriteNumbers(writer);
        writer.AddEndpoints(own.Candidates);
        NodeRecord? record = state.Self.Record;
        writer.AddCounted(record is null ? [] : record.Bytes.Span);
        peer.KnownSequence = Math.Max(peer.KnownSequence, record?.Sequence ?? -1);
        return writer.ToFrame();
    }
}
