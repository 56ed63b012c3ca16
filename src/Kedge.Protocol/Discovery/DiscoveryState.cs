using System.Buffers.Binary;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>What the parts of the discovery have in common: who is known, who is connected, and what is to go out.</summary>
internal sealed class DiscoveryState
{
    /// <summary>How many nodes are known that are neither anchors nor registered nor connected.</summary>
    public const int MaximumOthers = 4096;

    private const int MaximumFrames = 4096;
    private const int MaximumOutcomes = 4096;

    private readonly Dictionary<PublicKey, DiscoveryPeer> _peers = [];
    private readonly Dictionary<NodeId, DiscoveryPeer> _peersById = [];
    private readonly Queue<(PublicKey To, byte[] Frame)> _frames = new();
    private readonly Queue<DiscoveryOutcome> _outcomes = new();
    private (Instant At, DateTimeOffset Time) _clock;

    /// <summary>Begins with nobody but the node itself.</summary>
    public DiscoveryState(DiscoverySettings settings)
    {
        Settings = settings;
        Trust = settings.Trust;
        Requests = new Requests(settings.Random, Send);
        Self = new Member(settings.Certificate) { IsSelf = true };
        Members.Add(Self);
    }

    /// <summary>What the node takes part with.</summary>
    public DiscoverySettings Settings { get; }

    /// <summary>Whom the network believes.</summary>
    public NetworkTrust Trust { get; set; }

    /// <summary>This node.</summary>
    public Member Self { get; }

    /// <summary>The nodes that are known, this one included.</summary>
    public MemberTable Members { get; } = new(MaximumOthers);

    /// <summary>The anchors, this node included if it is one.</summary>
    public AnchorView View { get; } = new();

    /// <summary>What was asked.</summary>
    public Requests Requests { get; }

    /// <summary>The peers that are connected.</summary>
    public IReadOnlyCollection<DiscoveryPeer> Peers => _peers.Values;

    /// <summary>Frames of peers that were dropped, for whatever reason.</summary>
    public long Dropped { get; set; }

    /// <summary>Says what time of day it is.</summary>
    public void SetTime(Instant now, DateTimeOffset time) => _clock = (now, time);

    /// <summary>The time of day.</summary>
    public DateTimeOffset TimeAt(Instant now) => _clock.Time + (now - _clock.At);

    /// <summary>Whether a node has a record that is true now.</summary>
    public bool IsFresh(Instant now, Member member) => member.Record is { } record && record.IsCurrent(TimeAt(now));

    /// <summary>The connected peer that has a key.</summary>
    public DiscoveryPeer? PeerOf(PublicKey key) => _peers.GetValueOrDefault(key);

    /// <summary>The connected peer that has an identifier.</summary>
    public DiscoveryPeer? PeerOf(NodeId id) => _peersById.GetValueOrDefault(id);

    /// <summary>Adds a peer that has connected.</summary>
    public DiscoveryPeer Connect(Member member)
    {
        var peer = new DiscoveryPeer(member);
        (_peers[peer.Key], _peersById[member.Id]) = (peer, peer);
        member.IsConnected = true;
        return peer;
    }

    /// <summary>Removes a peer.</summary>
    public void Disconnect(DiscoveryPeer peer)
    {
        _peers.Remove(peer.Key);
        _peersById.Remove(peer.Member.Id);
        peer.Member.IsConnected = false;
    }

    /// <summary>Puts nodes that are known into the view in the place of others that are not there any more.</summary>
    public void RefillView(Instant now)
    {
        foreach (Member member in Members.All)
            if (!member.IsInView && IsFresh(now, member) && View.WouldTake(member.Entry))
                View.Offer(member);
    }

    /// <summary>Sends a frame to a peer. Of too many that nobody takes, the oldest are forgotten.</summary>
    public void Send(PublicKey to, byte[] frame)
    {
        if (_frames.Count >= MaximumFrames)
            _frames.Dequeue();
        _frames.Enqueue((to, frame));
    }

    /// <summary>Tells the owner. Of too many that nobody takes, the oldest are forgotten.</summary>
    public void Report(DiscoveryOutcome outcome)
    {
        if (_outcomes.Count >= MaximumOutcomes)
            _outcomes.Dequeue();
        _outcomes.Enqueue(outcome);
    }

    /// <summary>Takes the oldest frame.</summary>
    public bool TryTakeFrame(out (PublicKey To, byte[] Frame) frame) => _frames.TryDequeue(out frame);

    /// <summary>Takes the oldest outcome.</summary>
    public DiscoveryOutcome? TakeOutcome() => _outcomes.TryDequeue(out DiscoveryOutcome? outcome) ? outcome : null;

    /// <summary>A number that nobody can predict.</summary>
    public ulong NextNumber()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        Settings.Random(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>A number from 0 to <paramref name="count"/> - 1.</summary>
    public int NextIndex(int count) => (int)(NextNumber() % (uint)count);

    /// <summary>A time within a tenth of a given one, so that nodes that start together do not go on together.</summary>
    public TimeSpan Jittered(TimeSpan time) => time * (0.9 + 0.2 * (NextNumber() >> 11) / (1UL << 53));
}
