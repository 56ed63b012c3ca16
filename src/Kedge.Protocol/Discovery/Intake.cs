using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>What became of a record of others.</summary>
internal enum IntakeResult
{
    /// <summary>It is the newest of its node.</summary>
    Taken,

    /// <summary>It is not newer than what is known.</summary>
    Known,

    /// <summary>The certificate that it refers to has not come.</summary>
    LacksCertificate,

    /// <summary>It may not be believed.</summary>
    Refused,
}

/// <summary>The one way by which something of others comes to be believed: certificates and records, each verified, at the expense of who sent it.</summary>
/// <param name="state">What is known.</param>
/// <param name="own">This node's record.</param>
internal sealed class Intake(DiscoveryState state, OwnRecord own)
{
    /// <summary>How long the owner wants to hear where a node is that was found or introduced.</summary>
    public static readonly TimeSpan Interest = TimeSpan.FromMinutes(10);

    /// <summary>Takes a certificate.</summary>
    /// <param name="now">The time.</param>
    /// <param name="from">Who sent it.</param>
    /// <param name="der">The certificate; none is no fault.</param>
    /// <param name="isAsked">Says of which nodes it may be; null for all.</param>
    /// <returns>Its node; null if it may not be believed.</returns>
    public Member? TakeCertificate(Instant now, DiscoveryPeer from, ReadOnlySpan<byte> der, Predicate<NodeId>? isAsked = null)
    {
        if (der.IsEmpty || !from.TrySpendCheck(now))
            return null;
        MemberChecks checks = state.Settings.Checks;
        if (checks.ReadCertificate(der) is not { } certificate)
        {
            from.Strikes++;
            return null;
        }
        var node = NodeId.Of(certificate.WireGuardKey);
        if (isAsked?.Invoke(node) == false)
            return null;
        Member? known = state.Members.Find(node);
        if (known is not null && known.Certificate.Fingerprint == certificate.Fingerprint)
            return known;
        if (checks.Verify(certificate, state.Trust, state.TimeAt(now)) is { } refusal)
        {
            // Clocks and lists may differ among honest nodes; the rest is never sent by one.
            if (refusal is CertificateRefusal.BadSignature or CertificateRefusal.WrongNetwork or CertificateRefusal.GrownPrefix)
                from.Strikes++;
            return null;
        }
        return certificate.IdentityKey is null || checks.IsTaken(certificate) ? null : state.Members.Put(certificate, now);
    }

    /// <summary>Takes a record.</summary>
    /// <param name="now">The time.</param>
    /// <param name="from">Who sent it.</param>
    /// <param name="bytes">The record.</param>
    /// <param name="isOfInterest">Whether the owner wants to hear where the node is from now on.</param>
    /// <param name="member">Its node, unless it is refused or lacks its certificate.</param>
    /// <param name="node">The node that it names, if it is a record at all.</param>
    public IntakeResult TakeRecord(
        Instant now, DiscoveryPeer from, ReadOnlySpan<byte> bytes, bool isOfInterest, out Member? member, out NodeId node)
    {
        (member, node) = (null, default);
        if (state.Settings.Checks.ReadRecord(bytes) is not { } record)
        {
            from.Strikes++;
            return IntakeResult.Refused;
        }
        node = record.Node;
        Member? known = state.Members.Find(node);
        if (known is null || !record.IsOf(known.Certificate))
            return IntakeResult.LacksCertificate;
        member = known;
        if (known.IsSelf)
        {
            own.NoteSequence(now, record.Sequence);
            return IntakeResult.Known;
        }
        known.UsedAt = now;
        if (isOfInterest)
            known.InterestUntil = now + Interest;
        if (known.Record is { } former && record.Sequence <= former.Sequence)
            return IntakeResult.Known;
        if (!record.IsCurrent(state.TimeAt(now)) || !from.TrySpendCheck(now))
            return IntakeResult.Refused;
        if (!state.Settings.Checks.IsSigned(record, known.Certificate))
        {
            from.Strikes++;
            return IntakeResult.Refused;
        }
        Adopt(now, known, record, from.Member.Id);
        return IntakeResult.Taken;
    }

    /// <summary>Has a member's record, which was verified, take its place.</summary>
    public void Adopt(Instant now, Member member, NodeRecord record, NodeId toldBy)
    {
        NodeRecord? former = member.Record;
        if (former is not null && !state.IsFresh(now, member))
            state.View.Remove(member); // what was restored counts from now on, so the view changes by it
        member.Record = record;
        // Who told it first is nearer to the node than who tells it later, and introduces better.
        if (toldBy != member.Id && (former is null || state.PeerOf(member.ToldBy) is null))
            member.ToldBy = toldBy;
        if (member.IsInView || state.View.WouldTake(member.Entry))
        {
            Member? evicted = state.View.Offer(member);
            if (evicted is not null && !evicted.IsPinned && evicted.InterestUntil <= now)
                state.Members.Remove(evicted);
        }
        bool isOfInterest = member.IsConnected || member.InterestUntil > now;
        if (former is null ? member.IsConnected : isOfInterest && !former.Endpoints.SequenceEqual(record.Endpoints))
            state.Report(new EndpointsTold(member.Certificate, record, EndpointsOf(member)));
        if ((isOfInterest || member.IsInView) && (member.Kept is null || !member.Kept.Endpoints.SequenceEqual(record.Endpoints)))
        {
            member.Kept = record;
            state.Report(new MemberKept(member.Certificate, record, member.IsInView));
        }
    }

    /// <summary>Where a node can be reached: what it tells all, and what it tells its peers alone.</summary>
    public IReadOnlyList<PeerEndpoint> EndpointsOf(Member member) =>
        [.. (member.Record?.Endpoints ?? []).Concat(state.PeerOf(member.Id)?.Candidates ?? []).DistinctBy(endpoint => endpoint.Address)];
}
