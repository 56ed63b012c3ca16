namespace Kedge.Protocol.Certificates;

/// <summary>
/// Why a certificate or a revocation list is not accepted. <see cref="CertificateRefusals.Sentence"/> says it in words. Nodes tell each other
/// these numbers, so a new reason goes to the end.
/// </summary>
public enum CertificateRefusal
{
    /// <summary>Not the DER of an X.509 structure (RFC 5280 sections 4.1 and 5.1), or with something behind its end.</summary>
    Malformed,

    /// <summary>Larger than what any node's certificate needs.</summary>
    TooLarge,

    /// <summary>Another signature algorithm than ecdsa-with-SHA256, or another key than ECDSA P-256.</summary>
    UnsupportedAlgorithm,

    /// <summary>A serial number that is not positive or has more than 20 bytes (RFC 5280 section 4.1.2.2).</summary>
    BadSerialNumber,

    /// <summary>A name that is not a single common name, or has characters that a name cannot have.</summary>
    BadName,

    /// <summary>Dates in another form than RFC 5280 section 4.1.2.5 demands, or the end before the beginning.</summary>
    BadDates,

    /// <summary>The same extension twice.</summary>
    DuplicateExtension,

    /// <summary>A critical extension that is unknown here.</summary>
    UnknownCriticalExtension,

    /// <summary>An extension that the profile demands is not there.</summary>
    MissingExtension,

    /// <summary>An extension of the profile has contents that it cannot have.</summary>
    BadExtension,

    /// <summary>Key usages or constraints of another kind of certificate: an authority is no node, and a node no authority.</summary>
    WrongUsage,

    /// <summary>No address blocks (RFC 3779).</summary>
    NoAddressBlocks,

    /// <summary>Address blocks that are not in canonical form, that are inherited, or of another family than IPv4 and IPv6 unicast.</summary>
    BadAddressBlocks,

    /// <summary>Of another network.</summary>
    WrongNetwork,

    /// <summary>Of another zone.</summary>
    WrongZone,

    /// <summary>Of another key than the one that it should certify.</summary>
    WrongKey,

    /// <summary>Issued by nobody whom the network's master key has certified.</summary>
    UnknownIssuer,

    /// <summary>The signature is not the issuer's.</summary>
    BadSignature,

    /// <summary>Names addresses or prefixes that its issuer may not certify, or that were not certified.</summary>
    GrownPrefix,

    /// <summary>Revoked by its issuer, or its issuer by the master.</summary>
    Revoked,

    /// <summary>Not valid yet.</summary>
    NotYetValid,

    /// <summary>No longer valid.</summary>
    Expired,

    /// <summary>Its issuer's own certificate is not valid at this time.</summary>
    IssuerNotValid,

    /// <summary>One authority, or one revocation list of an authority, more than any network has.</summary>
    TooMany,
}

/// <summary>What refusals mean, for people.</summary>
public static class CertificateRefusals
{
    /// <summary>The reason as one sentence about the certificate or revocation list, which it calls "it".</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such refusal.</exception>
    public static string Sentence(this CertificateRefusal refusal) => refusal switch
    {
        CertificateRefusal.Malformed => "It is not the DER form of an X.509 version 3 certificate or version 2 revocation list, and nothing else.",
        CertificateRefusal.TooLarge => "It is larger than any that Kedge makes.",
        CertificateRefusal.UnsupportedAlgorithm => "It uses another algorithm than ECDSA P-256 with SHA-256.",
        CertificateRefusal.BadSerialNumber => "Its serial number is not a positive number of at most 20 bytes.",
        CertificateRefusal.BadName => "Its subject or issuer is not a single common name of printable characters, or for a node not a DNS label.",
        CertificateRefusal.BadDates => "Its dates are not in the form that RFC 5280 demands, or it ends before it begins.",
        CertificateRefusal.DuplicateExtension => "It has the same extension twice.",
        CertificateRefusal.UnknownCriticalExtension => "It has a critical extension that this version of Kedge does not know.",
        CertificateRefusal.MissingExtension => "It lacks an extension that certificates of Kedge have.",
        CertificateRefusal.BadExtension => "One of its extensions has contents that certificates of Kedge cannot have.",
        CertificateRefusal.WrongUsage => "Its key usages are those of another kind of certificate.",
        CertificateRefusal.NoAddressBlocks => "It has no address blocks (RFC 3779), so it certifies no address.",
        CertificateRefusal.BadAddressBlocks => "Its address blocks (RFC 3779) are inherited, of a strange family, or not in canonical form.",
        CertificateRefusal.WrongNetwork => "It belongs to another network.",
        CertificateRefusal.WrongZone => "It belongs to another zone.",
        CertificateRefusal.WrongKey => "It certifies another key.",
        CertificateRefusal.UnknownIssuer => "It was issued by nobody whom the network's master key has certified.",
        CertificateRefusal.BadSignature => "Its signature is not its issuer's: it was changed, or forged.",
        CertificateRefusal.GrownPrefix => "It stands for more addresses than were certified.",
        CertificateRefusal.Revoked => "It, or the authority that issued it, is revoked.",
        CertificateRefusal.NotYetValid => "It is not valid yet; if it should be, compare the clocks.",
        CertificateRefusal.Expired => "It is no longer valid; if it should be, compare the clocks.",
        CertificateRefusal.IssuerNotValid => "The certificate of the authority that issued it is not valid at this time.",
        CertificateRefusal.TooMany => "There are more authorities, or more revocation lists of one authority, than any network has.",
        _ => throw new ArgumentOutOfRangeException(nameof(refusal), refusal, "There is no such refusal."),
    };
}
