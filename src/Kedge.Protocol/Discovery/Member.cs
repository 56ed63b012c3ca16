using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Discovery;

/// <summary>A node that is known by its certificate, which was verified.</summary>
/// <param name="certificate">The certificate.</param>
internal sealed class Member(NodeCertificate certificate)
{
    /// <summary>Its identifier.</summary>
    public NodeId Id { get; } = NodeId.Of(certificate.WireGuardKey);

    /// <summary>The certificate.</summary>
    public NodeCertificate Certificate { get; set; } = certificate;

    /// <summary>Its newest record, verified; null while none has come.</summary>
    public NodeRecord? Record { get; set; }

    /// <summary>Who told its record; none if it did so itself.</summary>
    public NodeId ToldBy { get; set; }

    /// <summary>Until when it is registered here.</summary>
    public Instant? RegisteredUntil { get; set; }

    /// <summary>Whether it is a peer with a session.</summary>
    public bool IsConnected { get; set; }

    /// <summary>Whether it is in the view of anchors.</summary>
    public bool IsInView { get; set; }

    /// <summary>Whether it is this node itself.</summary>
    public bool IsSelf { get; init; }

    /// <summary>Until when the owner wants to hear where it is.</summary>
    public Instant InterestUntil { get; set; }

    /// <summary>When it was last made use of.</summary>
    public Instant UsedAt { get; set; }

    /// <summary>The record that the owner was last told to keep.</summary>
    public NodeRecord? Kept { get; set; }

    /// <summary>Its rank among anchors.</summary>
    public AnchorRank Rank =>
        Certificate.Tags.Contains(NodeSubject.AnchorTag) ? AnchorRank.Tagged
        : Record is { } record && record.Traits.HasFlag(NodeTraits.ReachedByStrangers) ? AnchorRank.Reached
        : AnchorRank.Any;

    /// <summary>Its entry in a digest.</summary>
    public DigestEntry Entry => new(Id, Rank, Record?.Sequence ?? 0);

    /// <summary>Whether it must not be forgotten to make room.</summary>
    public bool IsPinned => IsSelf || IsConnected || IsInView || RegisteredUntil is not null;
}
