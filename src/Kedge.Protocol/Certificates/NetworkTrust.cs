using System.Security.Cryptography;

namespace Kedge.Protocol.Certificates;

/// <summary>An authority's certificate or a revocation list that could not be used.</summary>
/// <param name="What"><c>authority</c> or <c>revocation list</c>.</param>
/// <param name="Fingerprint">The SHA-256 of its bytes.</param>
/// <param name="Refusal">Why not.</param>
public sealed record RefusedTrust(string What, Sha256Digest Fingerprint, CertificateRefusal Refusal);

/// <summary>
/// Whom the nodes of a network believe: its master, known by its key alone, the issuers that the master certified, and what they have
/// revoked. It only grows: the one way to another trust is <see cref="Merge"/>, so nobody can take a revocation back by leaving it out.
/// Immutable; any thread.
/// </summary>
public sealed class NetworkTrust
{
    /// <summary>How many authorities a network can have had. A master that is in the wrong hands must not fill memory and disk.</summary>
    public const int MaximumAuthorities = 64;

    private readonly Dictionary<string, TrustedAuthority> _authorities;

    private NetworkTrust(Sha256Digest networkId, Dictionary<string, TrustedAuthority> authorities, IReadOnlyList<RefusedTrust> refused)
    {
        NetworkId = networkId;
        _authorities = authorities;
        Refused = refused;
        Digest = DigestOf(networkId, authorities.Values);
    }

    /// <summary>The network's identifier.</summary>
    public Sha256Digest NetworkId { get; }

    /// <summary>The SHA-256 of the network's identifier, the authorities and the lists: equal for two that believe and refuse the same.</summary>
    public Sha256Digest Digest { get; }

    /// <summary>The authorities that are believed, the revoked ones left out. Empty when the master's certificate was not among those given.</summary>
    public IEnumerable<AuthorityCertificate> Authorities =>
        _authorities.Values.Where(authority => !authority.IsRevoked).Select(authority => authority.Certificate);

    /// <summary>Every authority that was ever believed, the revoked ones too: what <see cref="Merge"/> needs to build an equal trust.</summary>
    public IEnumerable<AuthorityCertificate> KnownAuthorities => _authorities.Values.Select(authority => authority.Certificate);

    /// <summary>
    /// The revocation lists that hold, of each authority that has one the newest, and older ones as far as they name something that no newer
    /// one does.
    /// </summary>
    public IEnumerable<RevocationList> RevocationLists => _authorities.Values.SelectMany(authority => authority.RevocationLists);

    /// <summary>What was given last but could not be used, and why. The rest is not spoilt by it.</summary>
    public IReadOnlyList<RefusedTrust> Refused { get; }

    /// <summary>The trust of somebody who knows a network by its identifier and nothing else: nobody is believed.</summary>
    /// <param name="networkId">The SHA-256 of the master key's SubjectPublicKeyInfo.</param>
    public static NetworkTrust Empty(Sha256Digest networkId) => new(networkId, [], []);

    /// <summary>Verifies authorities and revocation lists, wherever they come from.</summary>
    /// <param name="networkId">The SHA-256 of the master key's SubjectPublicKeyInfo: the only thing that must be known beforehand.</param>
    /// <param name="authorities">Certificates of authorities, DER, in any order.</param>
    /// <param name="revocationLists">Revocation lists, DER, in any order.</param>
    public static NetworkTrust Create(Sha256Digest networkId, IEnumerable<byte[]> authorities, IEnumerable<byte[]> revocationLists) =>
        Empty(networkId).Merge(authorities, revocationLists);

    /// <summary>
    /// Adds authorities and revocation lists to those that are known, as far as they verify. What was believed stays believed until the master
    /// revokes it, and what was revoked stays revoked, whatever is left out here.
    /// </summary>
    /// <param name="authorities">Certificates of authorities, DER, in any order.</param>
    /// <param name="revocationLists">Revocation lists, DER, in any order.</param>
    /// <returns>The new trust; this one where nothing new was given and nothing refused.</returns>
    public NetworkTrust Merge(IEnumerable<byte[]> authorities, IEnumerable<byte[]> revocationLists)
    {
        List<RefusedTrust> refused = [];
        Dictionary<string, TrustedAuthority> merged = MergeAuthorities(authorities, refused);
        foreach (byte[] der in revocationLists)
        {
            if (!RevocationList.TryParse(der, out RevocationList? list, out CertificateRefusal refusal))
                refused.Add(new("revocation list", Sha256Digest.Of(der), refusal));
            else if (Add(list, merged) is { } reason)
                refused.Add(new("revocation list", Sha256Digest.Of(der), reason));
        }
        foreach (TrustedAuthority authority in merged.Values)
            authority.IsRevoked = merged[authority.Certificate.AuthorityKeyIdentifier].HasRevoked(authority.Certificate.Serial);
        var trust = new NetworkTrust(NetworkId, merged, refused);
        return trust.Digest == Digest && refused.Count == 0 && Refused.Count == 0 ? this : trust;
    }

    /// <summary>The same with what a file has, in PEM.</summary>
    /// <inheritdoc cref="Merge" path="/returns"/>
    public NetworkTrust MergePem(string pem) => Merge(Pem.Read(pem, Pem.Certificate), Pem.Read(pem, Pem.RevocationList));

    /// <summary>All known authorities and their revocation lists in PEM, from which <see cref="MergePem"/> makes the same trust.</summary>
    public string ToPem() => Pem.Write(Pem.Certificate, KnownAuthorities.Select(authority => authority.Der))
        + Pem.Write(Pem.RevocationList, RevocationLists.Select(list => list.Der));

    /// <summary>
    /// Whether a certificate may be believed now: what is asked before a peer is installed for the first time, and before somebody who
    /// presents the certificate is let in.
    /// </summary>
    /// <param name="certificate">The certificate.</param>
    /// <param name="zone">The zone in which it is to hold.</param>
    /// <param name="now">The time.</param>
    /// <returns>Null when it may be believed.</returns>
    public CertificateRefusal? Verify(NodeCertificate certificate, Guid zone, DateTimeOffset now) =>
        VerifyIgnoringDates(certificate, zone) ?? VerifyDates(certificate, now);

    /// <summary>
    /// Whether a certificate that <see cref="VerifyIgnoringDates"/> found good is valid now, and those of its authorities are: what is asked
    /// again when time has passed, because it costs no signature.
    /// </summary>
    /// <param name="certificate">The certificate.</param>
    /// <param name="now">The time.</param>
    /// <returns>Null when it is.</returns>
    public CertificateRefusal? VerifyDates(NodeCertificate certificate, DateTimeOffset now)
    {
        if (!_authorities.TryGetValue(certificate.AuthorityKeyIdentifier, out TrustedAuthority? known))
            return CertificateRefusal.UnknownIssuer;
        if (now < certificate.NotBefore)
            return CertificateRefusal.NotYetValid;
        if (now > certificate.NotAfter)
            return CertificateRefusal.Expired;
        AuthorityCertificate issuer = known.Certificate;
        AuthorityCertificate master = _authorities[issuer.AuthorityKeyIdentifier].Certificate;
        bool inTime = now >= issuer.NotBefore && now <= issuer.NotAfter && now >= master.NotBefore && now <= master.NotAfter;
        return inTime ? null : CertificateRefusal.IssuerNotValid;
    }

    /// <summary>
    /// Whether a certificate may be believed, whenever it was or will be valid: what is asked of a peer that is known already, and of a node
    /// that wants a new certificate. The end of validity ends no tunnel.
    /// </summary>
    /// <param name="certificate">The certificate.</param>
    /// <param name="zone">The zone in which it is to hold.</param>
    /// <returns>Null when it may be believed.</returns>
    public CertificateRefusal? VerifyIgnoringDates(NodeCertificate certificate, Guid zone)
    {
        if (certificate.NetworkId != NetworkId)
            return CertificateRefusal.WrongNetwork;
        if (certificate.ZoneId != zone)
            return CertificateRefusal.WrongZone;
        if (!_authorities.TryGetValue(certificate.AuthorityKeyIdentifier, out TrustedAuthority? issuer) || !issuer.IsNamed(certificate.Issuer))
            return CertificateRefusal.UnknownIssuer;
        if (!certificate.IsSignedBy(issuer.Certificate.Key))
            return CertificateRefusal.BadSignature;
        if (!issuer.Certificate.AddressBlocks.Contains(certificate.AddressBlocks))
            return CertificateRefusal.GrownPrefix;
        return issuer.IsRevoked || issuer.HasRevoked(certificate.Serial) ? CertificateRefusal.Revoked : null;
    }

    // Masters come first, because all others are verified by them. Of several certificates of one key the one that lasts longest counts.
    private Dictionary<string, TrustedAuthority> MergeAuthorities(IEnumerable<byte[]> given, List<RefusedTrust> refused)
    {
        List<AuthorityCertificate> certificates = [.. KnownAuthorities];
        foreach (byte[] der in given)
        {
            if (AuthorityCertificate.TryParse(der, out AuthorityCertificate? certificate, out CertificateRefusal refusal))
                certificates.Add(certificate);
            else
                refused.Add(new("authority", Sha256Digest.Of(der), refusal));
        }
        Dictionary<string, TrustedAuthority> merged = [];
        foreach (AuthorityCertificate certificate in certificates.OrderBy(one => !one.IsMaster).ThenByDescending(one => one.NotAfter))
        {
            if (Check(certificate, merged) is { } refusal)
                refused.Add(new("authority", certificate.Fingerprint, refusal));
            else
                merged.TryAdd(certificate.KeyIdentifier, new TrustedAuthority(certificate));
        }
        foreach ((string key, TrustedAuthority known) in _authorities)
            merged[key].Inherit(known);
        return merged;
    }

    private CertificateRefusal? Check(AuthorityCertificate certificate, Dictionary<string, TrustedAuthority> merged)
    {
        bool isKnown = _authorities.ContainsKey(certificate.KeyIdentifier);
        if (isKnown && _authorities[certificate.KeyIdentifier].Certificate.Fingerprint == certificate.Fingerprint)
            return null; // was checked when it came
        if (!isKnown && !merged.ContainsKey(certificate.KeyIdentifier) && _authorities.Keys.Union(merged.Keys).Count() >= MaximumAuthorities)
            return CertificateRefusal.TooMany;
        return CheckAuthority(certificate, NetworkId, merged);
    }

    // A master signs itself; an issuer is signed by a master that is known already.
    private static CertificateRefusal? CheckAuthority(AuthorityCertificate certificate, Sha256Digest networkId, Dictionary<string, TrustedAuthority> issuers)
    {
        if (certificate.NetworkId != networkId)
            return CertificateRefusal.WrongNetwork;
        if (certificate.IsMaster)
        {
            if (certificate.AuthorityKeyIdentifier != certificate.KeyIdentifier || !certificate.Issuer.Span.SequenceEqual(certificate.Subject.Span))
                return CertificateRefusal.UnknownIssuer;
            return certificate.IsSignedBy(certificate.Key) ? null : CertificateRefusal.BadSignature;
        }
        bool isKnown = issuers.TryGetValue(certificate.AuthorityKeyIdentifier, out TrustedAuthority? master)
            && master.Certificate.IsMaster
            && master.IsNamed(certificate.Issuer);
        if (!isKnown)
            return CertificateRefusal.UnknownIssuer;
        if (master!.Certificate.PathLength == 0)
            return CertificateRefusal.WrongUsage;
        if (!certificate.IsSignedBy(master.Certificate.Key))
            return CertificateRefusal.BadSignature;
        return master.Certificate.AddressBlocks.Contains(certificate.AddressBlocks) ? null : CertificateRefusal.GrownPrefix;
    }

    private static CertificateRefusal? Add(RevocationList list, Dictionary<string, TrustedAuthority> issuers)
    {
        if (!issuers.TryGetValue(list.AuthorityKeyIdentifier, out TrustedAuthority? issuer) || !issuer.IsNamed(list.Issuer))
            return CertificateRefusal.UnknownIssuer;
        if (!list.IsSignedBy(issuer.Certificate.Key))
            return CertificateRefusal.BadSignature;
        return issuer.TryAdd(list) ? null : CertificateRefusal.TooMany;
    }

    private static Sha256Digest DigestOf(Sha256Digest networkId, IEnumerable<TrustedAuthority> authorities)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(networkId.ToArray());
        foreach (TrustedAuthority authority in authorities.OrderBy(one => one.Certificate.KeyIdentifier, StringComparer.Ordinal))
        {
            hash.AppendData(authority.Certificate.Fingerprint.ToArray());
            foreach (RevocationList list in authority.RevocationLists)
                hash.AppendData(list.Fingerprint.ToArray());
        }
        return Sha256Digest.FromBytes(hash.GetHashAndReset());
    }
}
