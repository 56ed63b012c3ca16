namespace Kedge.Protocol.Certificates;

/// <summary>An authority's certificate or a revocation list that could not be used.</summary>
/// <param name="What"><c>authority</c> or <c>revocation list</c>.</param>
/// <param name="Fingerprint">The SHA-256 of its bytes.</param>
/// <param name="Refusal">Why not.</param>
public sealed record RefusedTrust(string What, Sha256Digest Fingerprint, CertificateRefusal Refusal);

/// <summary>
/// Whom the nodes of a network believe: its master, known by its key alone, the issuers that the master certified, and what they have
/// revoked. Built anew whenever one of these changes. Immutable; any thread.
/// </summary>
public sealed class NetworkTrust
{
    private readonly Dictionary<string, Issuer> _issuers;

    private NetworkTrust(Sha256Digest networkId, Dictionary<string, Issuer> issuers, IReadOnlyList<RefusedTrust> refused)
    {
        NetworkId = networkId;
        _issuers = issuers;
        Refused = refused;
    }

    /// <summary>The network's identifier.</summary>
    public Sha256Digest NetworkId { get; }

    /// <summary>The authorities that are believed, the revoked ones left out. Empty when the master's certificate was not among those given.</summary>
    public IEnumerable<AuthorityCertificate> Authorities => _issuers.Values.Where(issuer => !issuer.IsRevoked).Select(issuer => issuer.Certificate);

    /// <summary>The newest revocation list of each authority that has one.</summary>
    public IEnumerable<RevocationList> RevocationLists => _issuers.Values.Select(issuer => issuer.Revoked).OfType<RevocationList>();

    /// <summary>What was given but could not be used, and why. The rest is not spoilt by it.</summary>
    public IReadOnlyList<RefusedTrust> Refused { get; }

    /// <summary>Verifies authorities and revocation lists, wherever they come from.</summary>
    /// <param name="networkId">The SHA-256 of the master key's SubjectPublicKeyInfo: the only thing that must be known beforehand.</param>
    /// <param name="authorities">Certificates of authorities, DER, in any order.</param>
    /// <param name="revocationLists">
    /// Revocation lists, DER, in any order. Of several of one authority the one with the highest number holds: who hands in those that he
    /// knew before cannot be given back what was revoked.
    /// </param>
    public static NetworkTrust Create(Sha256Digest networkId, IEnumerable<byte[]> authorities, IEnumerable<byte[]> revocationLists)
    {
        List<RefusedTrust> refused = [];
        List<AuthorityCertificate> certificates = [];
        foreach (byte[] der in authorities)
        {
            if (AuthorityCertificate.TryParse(der, out AuthorityCertificate? certificate, out CertificateRefusal refusal))
                certificates.Add(certificate);
            else
                refused.Add(new("authority", Sha256Digest.Of(der), refusal));
        }
        Dictionary<string, Issuer> issuers = [];
        // Masters first: all others are verified by them. Of several certificates of one key the one that lasts longest counts.
        foreach (AuthorityCertificate certificate in certificates.OrderBy(authority => !authority.IsMaster).ThenByDescending(authority => authority.NotAfter))
        {
            if (CheckAuthority(certificate, networkId, issuers) is { } refusal)
                refused.Add(new("authority", certificate.Fingerprint, refusal));
            else
                issuers.TryAdd(certificate.KeyIdentifier, new Issuer(certificate));
        }
        foreach (byte[] der in revocationLists)
        {
            if (!RevocationList.TryParse(der, out RevocationList? list, out CertificateRefusal refusal))
                refused.Add(new("revocation list", Sha256Digest.Of(der), refusal));
            else if (Apply(list, issuers) is { } reason)
                refused.Add(new("revocation list", Sha256Digest.Of(der), reason));
        }
        foreach (Issuer issuer in issuers.Values)
            issuer.IsRevoked = issuers[issuer.Certificate.AuthorityKeyIdentifier].Revoked?.Contains(issuer.Certificate.Serial) ?? false;
        return new NetworkTrust(networkId, issuers, refused);
    }

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
        if (!_issuers.TryGetValue(certificate.AuthorityKeyIdentifier, out Issuer? known))
            return CertificateRefusal.UnknownIssuer;
        if (now < certificate.NotBefore)
            return CertificateRefusal.NotYetValid;
        if (now > certificate.NotAfter)
            return CertificateRefusal.Expired;
        AuthorityCertificate issuer = known.Certificate;
        AuthorityCertificate master = _issuers[issuer.AuthorityKeyIdentifier].Certificate;
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
        if (!_issuers.TryGetValue(certificate.AuthorityKeyIdentifier, out Issuer? issuer) || !issuer.IsNamed(certificate.Issuer))
            return CertificateRefusal.UnknownIssuer;
        if (!certificate.IsSignedBy(issuer.Certificate.Key))
            return CertificateRefusal.BadSignature;
        if (!issuer.Certificate.AddressBlocks.Contains(certificate.AddressBlocks))
            return CertificateRefusal.GrownPrefix;
        return issuer.IsRevoked || (issuer.Revoked?.Contains(certificate.Serial) ?? false) ? CertificateRefusal.Revoked : null;
    }

    // A master signs itself; an issuer is signed by a master that is known already.
    private static CertificateRefusal? CheckAuthority(AuthorityCertificate certificate, Sha256Digest networkId, Dictionary<string, Issuer> issuers)
    {
        if (certificate.NetworkId != networkId)
            return CertificateRefusal.WrongNetwork;
        if (certificate.IsMaster)
        {
            if (certificate.AuthorityKeyIdentifier != certificate.KeyIdentifier || !certificate.Issuer.Span.SequenceEqual(certificate.Subject.Span))
                return CertificateRefusal.UnknownIssuer;
            return certificate.IsSignedBy(certificate.Key) ? null : CertificateRefusal.BadSignature;
        }
        bool isKnown = issuers.TryGetValue(certificate.AuthorityKeyIdentifier, out Issuer? master)
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

    private static CertificateRefusal? Apply(RevocationList list, Dictionary<string, Issuer> issuers)
    {
        if (!issuers.TryGetValue(list.AuthorityKeyIdentifier, out Issuer? issuer) || !issuer.IsNamed(list.Issuer))
            return CertificateRefusal.UnknownIssuer;
        if (!list.IsSignedBy(issuer.Certificate.Key))
            return CertificateRefusal.BadSignature;
        if (issuer.Revoked is null || issuer.Revoked.Number < list.Number)
            issuer.Revoked = list;
        return null;
    }

    // Changed while the trust is built, never after.
    private sealed class Issuer(AuthorityCertificate certificate)
    {
        public AuthorityCertificate Certificate { get; } = certificate;

        public RevocationList? Revoked { get; set; }

        public bool IsRevoked { get; set; }

        public bool IsNamed(ReadOnlyMemory<byte> name) => Certificate.Subject.Span.SequenceEqual(name.Span);
    }
}
