using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Mesh;

/// <summary>Who is to admit peers: the node itself.</summary>
public sealed record AdmissionContext
{
    /// <summary>The node's zone.</summary>
    public required Guid Zone { get; init; }

    /// <summary>Its WireGuard key: nobody else has it.</summary>
    public required PublicKey WireGuardKey { get; init; }

    /// <summary>The prefixes that are its own: nobody else has an address of them.</summary>
    public IReadOnlyCollection<IpPrefix> Prefixes { get; init; } = [];

    /// <summary>
    /// Addresses that must never be a peer's, because the network below the overlay is reached by them: the controller's, for one.
    /// </summary>
    public IReadOnlyCollection<IpAddress> Underlay { get; init; } = [];

    /// <summary>What other overlays of this machine have: a peer with any of it would draw their traffic.</summary>
    public IReadOnlyCollection<ForeignPrefix> Foreign { get; init; } = [];
}

/// <summary>A peer that may be installed.</summary>
/// <param name="Id">The node's identifier in the map.</param>
/// <param name="Certificate">Its certificate, verified: the key and exactly the prefixes to install.</param>
public sealed record AdmittedPeer(Guid Id, NodeCertificate Certificate);

/// <summary>
/// Which nodes of a map may be installed as peers. The map comes from a controller that need not be believed: what counts is the
/// certificate. A peer is admitted for the key and the prefixes that its certificate binds together, in one's own network and zone,
/// unless it is
/// revoked; nobody gets the key or an address that another admitted peer, or the node itself, has already.
/// <para>
/// The end of validity keeps a new peer out, and never one that is known: not after a restart either (<see cref="Know"/>). A record that is
/// refused leaves what was admitted for the same node before in place, unless that is revoked or the node is gone.
/// </para>
/// One thread at a time.
/// </summary>
/// <param name="context">The node that admits.</param>
/// <param name="certificates">What has been checked already.</param>
public sealed class Admission(AdmissionContext context, VerifiedCertificates certificates)
{
    private readonly Dictionary<Guid, MapPeer> _records = [];
    private readonly Dictionary<Guid, AdmittedPeer> _admitted = [];
    private readonly Dictionary<Guid, string> _refused = [];
    private readonly Dictionary<PublicKey, Guid> _owners = [];
    private readonly AdmittedPrefixes _prefixes = new();
    private readonly HashSet<Sha256Digest> _known = [];
    private readonly HashSet<Guid> _changed = [];
    private NetworkTrust? _trust;

    /// <summary>Who may be installed.</summary>
    public IReadOnlyDictionary<Guid, AdmittedPeer> Admitted => _admitted;

    /// <summary>
    /// Records that may not be, and why, as a sentence. Where an older certificate of the same node is admitted it is in
    /// <see cref="Admitted"/> as well.
    /// </summary>
    public IReadOnlyDictionary<Guid, string> Refused => _refused;

    /// <summary>Says that a certificate had been admitted before this program started.</summary>
    public void Know(Sha256Digest fingerprint) => _known.Add(fingerprint);

    /// <summary>The nodes that were admitted, changed or put out since this was last asked.</summary>
    public IReadOnlySet<Guid> TakeChanges()
    {
        HashSet<Guid> changes = [.. _changed];
        _changed.Clear();
        return changes;
    }

    /// <summary>Believes somebody else than before, and judges all records anew. Who is revoked goes.</summary>
    public void Believe(NetworkTrust trust, DateTimeOffset now)
    {
        _trust = trust;
        foreach (AdmittedPeer peer in _admitted.Values.ToArray())
            if (certificates.Verify(peer.Certificate.Der, trust, context.Zone, out _) is not null)
                PutOut(peer.Id);
        foreach (MapPeer record in _records.Values.Where(record => !_admitted.ContainsKey(record.Id)).ToArray())
            Judge(record, now);
        RetryRefused(now);
    }

    /// <summary>Takes what a map says of some nodes now: records that are new or changed, or none for a node that is gone.</summary>
    /// <param name="map">The map.</param>
    /// <param name="nodes">The nodes about which it says something else than before.</param>
    /// <param name="now">The present time.</param>
    public void Update(IReadOnlyDictionary<Guid, MapPeer> map, IEnumerable<Guid> nodes, DateTimeOffset now)
    {
        List<MapPeer> put = [];
        foreach (Guid id in nodes)
        {
            if (map.TryGetValue(id, out MapPeer? record))
            {
                put.Add(record);
                continue;
            }
            _records.Remove(id);
            _refused.Remove(id);
            PutOut(id);
        }
        // Who was known before the start comes first, in an order that does not depend on the controller: the first one keeps a prefix.
        foreach (MapPeer record in put.OrderBy(record => IsKnown(record) ? 0 : 1).ThenBy(record => record.Id))
        {
            _records[record.Id] = record;
            Judge(record, now);
        }
        RetryRefused(now);
    }

    /// <summary>Judges refused records anew: one may be valid by now, or what it was in conflict with may be gone.</summary>
    public void RetryRefused(DateTimeOffset now)
    {
        // Each round admits somebody or is the last one.
        for (int before = -1; before != _refused.Count && _refused.Count > 0;)
        {
            before = _refused.Count;
            foreach (Guid id in _refused.Keys.Order().ToArray())
                Judge(_records[id], now);
        }
    }

    private bool IsKnown(MapPeer record) => _known.Count > 0 && _known.Contains(Sha256Digest.Of(record.Certificate.Span));

    private void Judge(MapPeer record, DateTimeOffset now)
    {
        string? reason = Check(record, now, out NodeCertificate? certificate, out bool isRevoked);
        if (reason is null)
        {
            _refused.Remove(record.Id);
            Admit(record.Id, certificate!);
            return;
        }
        _refused[record.Id] = certificate is null ? reason : $"{certificate.Name}: {reason}";
        if (isRevoked)
            PutOut(record.Id);
    }

    private string? Check(MapPeer record, DateTimeOffset now, out NodeCertificate? certificate, out bool isRevoked)
    {
        certificate = null;
        isRevoked = false;
        if (_trust is null)
            return "It cannot be verified: the network's authorities are not known yet.";
        CertificateRefusal? refusal = certificates.Verify(record.Certificate, _trust, context.Zone, out certificate);
        isRevoked = refusal == CertificateRefusal.Revoked;
        if (refusal is null && !MayHaveEnded(record.Id, certificate!))
            refusal = _trust.VerifyDates(certificate!, now);
        return refusal?.Sentence() ?? CheckClaims(record.Id, certificate!);
    }

    // A known peer is the same node with nothing more than it was admitted for.
    private bool MayHaveEnded(Guid id, NodeCertificate certificate) =>
        _known.Contains(certificate.Fingerprint)
        || (_admitted.TryGetValue(id, out AdmittedPeer? known)
            && known.Certificate.WireGuardKey == certificate.WireGuardKey
            && Equals(known.Certificate.IdentityKey, certificate.IdentityKey)
            && known.Certificate.AddressBlocks.Contains(certificate.AddressBlocks));

    private string? CheckClaims(Guid id, NodeCertificate certificate)
    {
        if (certificate.WireGuardKey == context.WireGuardKey)
            return "It claims this node's own WireGuard key.";
        if (_owners.TryGetValue(certificate.WireGuardKey, out Guid owner) && owner != id)
            return $"It claims the WireGuard key of {NameOf(owner)}.";
        foreach (IpPrefix prefix in certificate.Prefixes)
        {
            if (!ReservedPrefixes.IsUsableOverlay(prefix))
                return $"It claims {prefix}, which no node can have.";
            if (context.Prefixes.Any(own => ReservedPrefixes.Overlap(own, prefix)))
                return $"It claims {prefix}, which is this node's own or touches it.";
            if (context.Underlay.Any(prefix.Contains))
                return $"It claims {prefix}, in which the controller or this machine is reached.";
            if (context.Foreign.FirstOrDefault(foreign => ReservedPrefixes.Overlap(foreign.Prefix, prefix)) is { } taken)
                return $"It claims {prefix}, which overlaps with {taken.Prefix}, a prefix of the overlay on {taken.Interface} here.";
            if (FindOverlap(id, prefix) is { } other)
                return $"It claims {prefix}, which {NameOf(other)} has or touches.";
        }
        return null;
    }

    // What the node itself has now is about to be replaced.
    private Guid? FindOverlap(Guid id, IpPrefix prefix)
    {
        bool isItsOwn = _admitted.TryGetValue(id, out AdmittedPeer? before) && before.Certificate.Prefixes.Contains(prefix);
        if (isItsOwn || _prefixes.FindOverlap(prefix) is not { } owner)
            return null;
        if (owner != id)
            return owner;
        IEnumerable<AdmittedPeer> others = _admitted.Values.Where(peer => peer.Id != id);
        return others.FirstOrDefault(peer => peer.Certificate.Prefixes.Any(has => ReservedPrefixes.Overlap(has, prefix)))?.Id;
    }

    private string NameOf(Guid id) => _admitted[id].Certificate.Name;

    private void Admit(Guid id, NodeCertificate certificate)
    {
        if (_admitted.TryGetValue(id, out AdmittedPeer? before) && before.Certificate.Fingerprint == certificate.Fingerprint)
            return;
        PutOut(id);
        _admitted[id] = new AdmittedPeer(id, certificate);
        _owners[certificate.WireGuardKey] = id;
        foreach (IpPrefix prefix in certificate.Prefixes)
            _prefixes.Add(prefix, id);
        _changed.Add(id);
    }

    private void PutOut(Guid id)
    {
        if (!_admitted.Remove(id, out AdmittedPeer? peer))
            return;
        _owners.Remove(peer.Certificate.WireGuardKey);
        foreach (IpPrefix prefix in peer.Certificate.Prefixes)
            _prefixes.Remove(prefix);
        _changed.Add(id);
    }
}
