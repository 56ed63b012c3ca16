using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// Which nodes may be installed as peers. Who names them, a controller's map or another node, need not be trusted: what counts is the
/// certificate. A peer is admitted for the key and the prefixes that its certificate binds together, in one's own network and zone, unless
/// it is revoked; nobody gets the key or an address that another admitted peer, or the node itself, has already.
/// <para>
/// The end of validity keeps a new peer out, and never one that is known: not after a restart either, see <see cref="PeerClaim"/>. A
/// certificate that is refused leaves what was admitted for the same node before in place, unless that is revoked, the node is gone, or
/// another has taken its place. Claims that change together are evaluated together, so nodes may exchange keys and addresses.
/// </para>
/// One thread at a time.
/// </summary>
/// <param name="context">The node that admits.</param>
/// <param name="certificates">What has been checked already.</param>
public sealed class Admission(AdmissionContext context, VerifiedCertificates certificates)
{
    private readonly HashSet<PeerClaim> _claims = [];
    private readonly HashSet<PeerClaim> _refused = [];
    private readonly Dictionary<PublicKey, NodeCertificate> _admitted = [];
    private readonly AdmittedPrefixes _prefixes = new();
    private readonly HashSet<PublicKey> _changed = [];
    private AdmissionContext _context = context;
    private NetworkTrust? _trust;

    /// <summary>The node that admits.</summary>
    public AdmissionContext Context => _context;

    /// <summary>The certificates of those that may be installed, by their WireGuard keys.</summary>
    public IReadOnlyDictionary<PublicKey, NodeCertificate> Admitted => _admitted;

    /// <summary>How many claims are refused, those included for which an older certificate is admitted.</summary>
    public int RefusedCount => _refused.Count;

    /// <summary>The WireGuard keys that were admitted, changed or removed since the last call.</summary>
    public IReadOnlySet<PublicKey> TakeChanges()
    {
        HashSet<PublicKey> changes = [.. _changed];
        _changed.Clear();
        return changes;
    }

    /// <summary>Replaces the trust anchors and revocation lists, and evaluates what they concern. Revoked peers are removed.</summary>
    public void SetTrust(NetworkTrust trust, DateTimeOffset now)
    {
        _trust = trust;
        Evaluate(_claims.Where(claim => claim.Refusal is not null || !IsTrusted(claim.Admitted!)), now);
    }

    /// <summary>Replaces the node that admits, as when it has other prefixes, and evaluates all claims again.</summary>
    public void SetContext(AdmissionContext context, DateTimeOffset now)
    {
        _context = context;
        Evaluate(_claims, now);
    }

    /// <summary>Takes certificates that were offered, and claims that were withdrawn. What was refused before is evaluated again.</summary>
    /// <param name="offered">Claims, new or known, and their certificates from now on, DER.</param>
    /// <param name="withdrawn">Claims of nodes that are gone.</param>
    /// <param name="now">The present time.</param>
    public void Update(
        IEnumerable<(PeerClaim Claim, ReadOnlyMemory<byte> Certificate)> offered, IEnumerable<PeerClaim> withdrawn, DateTimeOffset now)
    {
        foreach (PeerClaim claim in withdrawn)
        {
            if (claim.Admitted is { } gone)
                _changed.Add(gone.WireGuardKey);
            Remove(claim);
            _claims.Remove(claim);
            _refused.Remove(claim);
            claim.Refusal = null;
        }
        HashSet<PeerClaim> changed = [.. _refused];
        foreach ((PeerClaim claim, ReadOnlyMemory<byte> certificate) in offered)
        {
            claim.Certificate = certificate;
            _claims.Add(claim);
            changed.Add(claim);
        }
        Evaluate(changed, now);
    }

    /// <summary>Evaluates refused claims again: one may be valid by now.</summary>
    public void RetryRefused(DateTimeOffset now) => Evaluate(_refused, now);

    /// <summary>
    /// Evaluates claims together. All of them give up what they have before the first one is admitted, so that none is refused for what
    /// another one is about to lose. Those that claim nothing new come first and keep their place; then an order by keys, which does not
    /// depend on whoever names the nodes.
    /// </summary>
    private void Evaluate(IEnumerable<PeerClaim> claims, DateTimeOffset now)
    {
        Evaluation[] evaluations =
        [
            .. claims.Select(claim => Check(claim, now))
                .OrderBy(evaluation => evaluation.Rank)
                .ThenBy(evaluation => evaluation.Key, StringComparer.Ordinal),
        ];
        foreach (Evaluation evaluation in evaluations)
            Remove(evaluation.Claim);
        foreach (Evaluation evaluation in evaluations)
            Decide(evaluation);
        foreach (Evaluation evaluation in evaluations)
        {
            // The older certificate, if the new one is refused for what others have.
            PeerClaim claim = evaluation.Claim;
            if (claim.Admitted is null && evaluation.Former is { } former && FindConflict(former) is null)
                Add(claim, former);
            if (evaluation.Before?.Fingerprint != claim.Admitted?.Fingerprint)
                foreach (NodeCertificate? certificate in (ReadOnlySpan<NodeCertificate?>)[evaluation.Before, claim.Admitted])
                    if (certificate is not null)
                        _changed.Add(certificate.WireGuardKey);
        }
    }

    /// <summary>Checks everything about a claim that does not depend on other claims.</summary>
    private Evaluation Check(PeerClaim claim, DateTimeOffset now)
    {
        var evaluation = new Evaluation(claim) { Before = claim.Admitted };
        if (_trust is null)
        {
            evaluation.Refusal = "It cannot be verified: the network's authorities are not known yet.";
            return evaluation;
        }
        if (claim.Former is { } former && IsTrusted(former) && CheckContext(former) is null)
            evaluation.Former = former;
        claim.Restored = null;
        CertificateRefusal? refusal = certificates.Verify(claim.Certificate, _trust, _context.Zone, out NodeCertificate? certificate);
        if (refusal == CertificateRefusal.Revoked)
            evaluation.Former = null;
        if (refusal is null && !MayHaveEnded(evaluation.Former, certificate!))
            refusal = _trust.VerifyDates(certificate!, now);
        if ((refusal?.Sentence() ?? CheckContext(certificate!)) is { } reason)
            evaluation.Refusal = certificate is null ? reason : $"{certificate.Name}: {reason}";
        else
            evaluation.Offered = certificate;
        return evaluation;
    }

    private bool IsTrusted(NodeCertificate certificate) => certificates.Verify(certificate.Der, _trust!, _context.Zone, out _) is null;

    // A known peer is the same node with nothing more than it was admitted for.
    private static bool MayHaveEnded(NodeCertificate? known, NodeCertificate certificate) =>
        known is not null
        && known.WireGuardKey == certificate.WireGuardKey
        && Equals(known.IdentityKey, certificate.IdentityKey)
        && known.AddressBlocks.Contains(certificate.AddressBlocks);

    private string? CheckContext(NodeCertificate certificate)
    {
        if (certificate.WireGuardKey == _context.WireGuardKey)
            return "It claims this node's own WireGuard key.";
        foreach (IpPrefix prefix in certificate.Prefixes)
        {
            if (!ReservedPrefixes.IsUsableOverlay(prefix))
                return $"It claims {prefix}, which no node can have.";
            if (_context.Prefixes.Any(own => ReservedPrefixes.Overlap(own, prefix)))
                return $"It claims {prefix}, which is this node's own or touches it.";
            if (_context.Underlay.Any(prefix.Contains))
                return $"It claims {prefix}, in which the controller or this machine is reached.";
            if (_context.Foreign.FirstOrDefault(foreign => ReservedPrefixes.Overlap(foreign.Prefix, prefix)) is { } taken)
                return $"It claims {prefix}, which overlaps with {taken.Prefix}, a prefix of the overlay on {taken.Interface} here.";
        }
        return null;
    }

    private void Decide(Evaluation evaluation)
    {
        PeerClaim claim = evaluation.Claim;
        claim.Refusal = evaluation.Refusal;
        if (evaluation.Candidate is { } candidate)
        {
            if (FindConflict(candidate) is not { } conflict)
                Add(claim, candidate);
            else
                claim.Refusal ??= $"{candidate.Name}: {conflict}";
        }
        if (claim.Refusal is null)
            _refused.Remove(claim);
        else
            _refused.Add(claim);
    }

    private string? FindConflict(NodeCertificate certificate)
    {
        if (_admitted.TryGetValue(certificate.WireGuardKey, out NodeCertificate? owner))
            return $"It claims the WireGuard key of {owner.Name}.";
        foreach (IpPrefix prefix in certificate.Prefixes)
            if (_prefixes.FindOverlap(prefix) is { } other)
                return $"It claims {prefix}, which {_admitted[other].Name} has or touches.";
        return null;
    }

    private void Add(PeerClaim claim, NodeCertificate certificate)
    {
        claim.Admitted = certificate;
        _admitted[certificate.WireGuardKey] = certificate;
        foreach (IpPrefix prefix in certificate.Prefixes)
            _prefixes.Add(prefix, certificate.WireGuardKey);
    }

    private void Remove(PeerClaim claim)
    {
        if (claim.Admitted is not { } certificate)
            return;
        claim.Admitted = null;
        _admitted.Remove(certificate.WireGuardKey);
        foreach (IpPrefix prefix in certificate.Prefixes)
            _prefixes.Remove(prefix);
    }

    /// <summary>One claim while it is evaluated.</summary>
    private sealed class Evaluation(PeerClaim claim)
    {
        public PeerClaim Claim => claim;

        /// <summary>What was admitted before.</summary>
        public NodeCertificate? Before { get; init; }

        /// <summary>What was admitted before, or before the start, if it may be admitted again.</summary>
        public NodeCertificate? Former { get; set; }

        /// <summary>What is offered; null if it is refused for a reason of its own.</summary>
        public NodeCertificate? Offered { get; set; }

        /// <summary>The reason of its own for which the offered certificate is refused.</summary>
        public string? Refusal { get; set; }

        /// <summary>What is to be admitted.</summary>
        public NodeCertificate? Candidate => Offered ?? Former;

        /// <summary>The lower, the earlier it is its turn: 0 for what keeps its key and place.</summary>
        public int Rank
        {
            get
            {
                if (Former is null)
                    return 3;
                if (Offered is null)
                    return 0;
                if (!Former.AddressBlocks.Contains(Offered.AddressBlocks))
                    return 2;
                return Former.WireGuardKey == Offered.WireGuardKey ? 0 : 1;
            }
        }

        public string Key => Candidate?.WireGuardKey.ToString() ?? "";
    }
}
