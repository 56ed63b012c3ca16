using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// A peer that is connected, and what it may cost. It is a member of the network, and may be hostile all the same.
/// </summary>
/// <param name="member">The node.</param>
internal sealed class DiscoveryPeer(Member member)
{
    /// <summary>After how many forgeries nothing of a peer is taken any more.</summary>
    public const int MaximumStrikes = 8;

    private static readonly Rate FrameRate = new(200, TimeSpan.FromSeconds(1) / 100);
    private static readonly Rate CheckRate = new(256, TimeSpan.FromSeconds(1) / 32);
    private static readonly Rate RecordRate = new(256, TimeSpan.FromSeconds(1) / 32);
    private static readonly Rate QuestionRate = new(64, TimeSpan.FromSeconds(1) / 16);

    private TokenBucket _frames, _checks, _records, _questions;

    /// <summary>The node.</summary>
    public Member Member => member;

    /// <summary>Its key.</summary>
    public PublicKey Key { get; } = member.Certificate.WireGuardKey;

    /// <summary>Whether it has said hello since it connected.</summary>
    public bool HasGreeted { get; set; }

    /// <summary>Where it says to its peers alone that it can be reached.</summary>
    public IReadOnlyList<PeerEndpoint> Candidates { get; set; } = [];

    /// <summary>The sequence of this node's record that the peer is known to have, or was sent.</summary>
    public long KnownSequence { get; set; } = -1;

    /// <summary>The lists that it has: by issuer the number.</summary>
    public Dictionary<string, long> Lists { get; } = [];

    /// <summary>How often something of it was forged, or not what it had been asked for.</summary>
    public int Strikes { get; set; }

    /// <summary>Whether nothing of it is taken any more, until it connects anew.</summary>
    public bool IsShunned => Strikes >= MaximumStrikes;

    /// <summary>Takes one of the frames that it may send.</summary>
    public bool TrySpendFrame(Instant now) => TokenBucket.TryTake(ref _frames, now, FrameRate);

    /// <summary>Takes one of the signatures that it may have checked.</summary>
    public bool TrySpendCheck(Instant now) => TokenBucket.TryTake(ref _checks, now, CheckRate);

    /// <summary>Takes one of the records or parts that it may ask for.</summary>
    public bool TrySpendRecord(Instant now) => TokenBucket.TryTake(ref _records, now, RecordRate);

    /// <summary>Takes one of the look-ups and introductions that others may be asked for it.</summary>
    public bool TrySpendQuestion(Instant now) => TokenBucket.TryTake(ref _questions, now, QuestionRate);
}
