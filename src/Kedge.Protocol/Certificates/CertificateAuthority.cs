using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Kedge.Protocol.Certificates;

/// <summary>
/// An authority that can sign: its certificate and its private key. What it issues, <see cref="NodeCertificate"/> and its like can read;
/// what they could not, it does not issue. One thread at a time, because of the key.
/// </summary>
public sealed class CertificateAuthority
{
    private const int MasterPathLength = 1; // an issuer, and then nodes
    private readonly ECDsa _key;

    /// <summary>An authority.</summary>
    /// <param name="certificate">Its certificate.</param>
    /// <param name="key">Its private key, which stays the caller's to dispose.</param>
    /// <exception cref="ArgumentException">The key is not the certificate's.</exception>
    public CertificateAuthority(AuthorityCertificate certificate, ECDsa key)
    {
        if (!P256PublicKey.Of(key).Equals(certificate.Key))
            throw new ArgumentException("The key is not the one that the certificate is for.", nameof(key));
        Certificate = certificate;
        _key = key;
    }

    /// <summary>The authority's certificate.</summary>
    public AuthorityCertificate Certificate { get; }

    /// <summary>Makes a new network: a master that certifies itself.</summary>
    /// <param name="name">The master's common name: 1 to 64 printable characters.</param>
    /// <param name="key">Its ECDSA P-256 key, which stays the caller's to dispose. Its public half names the network.</param>
    /// <param name="serial">The certificate's serial number.</param>
    /// <param name="notBefore">The first second of validity.</param>
    /// <param name="notAfter">The last second of validity.</param>
    /// <param name="addresses">The network's own addresses: nobody is certified for any other. Null for all that there are.</param>
    /// <exception cref="ArgumentException">The name, the key or the dates cannot be.</exception>
    public static CertificateAuthority CreateMaster(
        string name, ECDsa key, SerialNumber serial, DateTimeOffset notBefore, DateTimeOffset notAfter, AddressBlocks? addresses = null)
    {
        byte[] subject = CommonName.Encode(name);
        P256PublicKey publicKey = P256PublicKey.Of(key);
        byte[] der = CertificateFields.Sign(
            subject, key, serial, notBefore, notAfter, subject, publicKey.SubjectPublicKeyInfo,
            extensions => WriteAuthority(extensions, publicKey, publicKey.Hash, publicKey.KeyIdentifier, MasterPathLength, addresses ?? AddressBlocks.All));
        return new CertificateAuthority(ReadAuthority(der), key);
    }

    /// <summary>Certifies an issuer, which may certify nodes of this authority's addresses but no authorities.</summary>
    /// <param name="name">The issuer's common name: 1 to 64 printable characters.</param>
    /// <param name="key">Its key.</param>
    /// <param name="serial">The certificate's serial number.</param>
    /// <param name="notBefore">The first second of validity.</param>
    /// <param name="notAfter">The last second of validity.</param>
    /// <exception cref="ArgumentException">The name or the dates cannot be.</exception>
    /// <exception cref="InvalidOperationException">This authority is no master.</exception>
    public AuthorityCertificate CertifyIssuer(string name, P256PublicKey key, SerialNumber serial, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        if (!Certificate.IsMaster)
            throw new InvalidOperationException("Only a master certifies other authorities.");
        byte[] der = CertificateFields.Sign(
            Certificate.Subject, _key, serial, notBefore, notAfter, CommonName.Encode(name), key.SubjectPublicKeyInfo,
            extensions => WriteAuthority(extensions, key, Certificate.NetworkId, Certificate.KeyIdentifier, pathLength: 0, Certificate.AddressBlocks));
        return ReadAuthority(der);
    }

    /// <summary>Certifies a node.</summary>
    /// <param name="subject">What is certified.</param>
    /// <param name="serial">The certificate's serial number.</param>
    /// <param name="notBefore">The first second of validity.</param>
    /// <param name="notAfter">The last second of validity.</param>
    /// <exception cref="ArgumentException">The subject or the dates cannot be, and why.</exception>
    public NodeCertificate CertifyNode(NodeSubject subject, SerialNumber serial, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        if (subject.Check() is { } fault)
            throw new ArgumentException(fault, nameof(subject));
        var blocks = AddressBlocks.Of(subject.Prefixes);
        if (!Certificate.AddressBlocks.Contains(blocks))
            throw new ArgumentException($"The authority may not certify all of {blocks}.", nameof(subject));
        var binding = new NodeBinding(Certificate.NetworkId, subject.ZoneId, subject.WireGuardKey, subject.RosenpassKeyHash, subject.SortedTags);
        byte[] der = CertificateFields.Sign(
            Certificate.Subject, _key, serial, notBefore, notAfter, CommonName.Encode(subject.Name), NodeProfile.SubjectPublicKeyInfo(subject),
            extensions => NodeProfile.Write(extensions, subject, blocks, binding, Certificate.KeyIdentifier));
        return NodeCertificate.TryParse(der, out NodeCertificate? certificate, out CertificateRefusal refusal)
            ? certificate
            : throw Unreadable(refusal);
    }

    /// <summary>Signs a list of everything that this authority has revoked.</summary>
    /// <param name="number">The CRL number, higher than that of the list before.</param>
    /// <param name="thisUpdate">The present time.</param>
    /// <param name="entries">All revoked certificates, also those of the list before.</param>
    /// <param name="nextUpdate">When the next list is due; null for no such date.</param>
    public RevocationList SignRevocationList(
        long number, DateTimeOffset thisUpdate, IReadOnlyCollection<RevokedCertificate> entries, DateTimeOffset? nextUpdate = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        var writer = new AsnWriter(AsnEncodingRules.DER);
        RevocationList.Write(writer, Certificate, number, thisUpdate, nextUpdate ?? Dates.Never, entries);
        byte[] der = SignedStructure.Sign(writer, _key);
        return RevocationList.TryParse(der, out RevocationList? list, out CertificateRefusal refusal) ? list : throw Unreadable(refusal);
    }

    private static AuthorityCertificate ReadAuthority(byte[] der) =>
        AuthorityCertificate.TryParse(der, out AuthorityCertificate? certificate, out CertificateRefusal refusal) ? certificate : throw Unreadable(refusal);

    private static void WriteAuthority(
        ExtensionWriter extensions, P256PublicKey key, Sha256Digest network, string issuerKeyIdentifier, int pathLength, AddressBlocks addresses)
    {
        extensions.Write(ObjectIdentifiers.BasicConstraints, isCritical: true, writeValue: writer =>
        {
            using AsnWriter.Scope constraints = writer.PushSequence();
            writer.WriteBoolean(true);
            writer.WriteInteger(pathLength);
        });
        extensions.WriteKeyUsage(AuthorityCertificate.Usage);
        extensions.Write(ObjectIdentifiers.SubjectKeyIdentifier, writer => writer.WriteOctetString(Convert.FromHexString(key.KeyIdentifier)));
        extensions.WriteAuthorityKeyIdentifier(issuerKeyIdentifier);
        extensions.WriteAddressBlocks(addresses);
        extensions.Write(ObjectIdentifiers.KedgeNetwork, writer => writer.WriteOctetString(network.ToArray()));
    }

    private static ArgumentException Unreadable(CertificateRefusal refusal) =>
        new($"This cannot be certified, because nobody would accept it. {refusal.Sentence()}");
}
