using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Control.Pki;

/// <summary>
/// Who certifies nodes. In a managed network the controller does, by an issuer that the master certified; in a locked one the master does,
/// whose key is elsewhere, and the controller only hands around what it signed. Any thread.
/// </summary>
internal sealed class NetworkAuthority : IDisposable
{
    /// <summary>How long a certificate of a managed network lives. It is renewed at half of that.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(7);

    // For nodes whose clock is behind.
    private static readonly TimeSpan Backdating = TimeSpan.FromHours(1);

    private readonly CertificateAuthority? _issuer;
    private readonly ECDsa? _issuerKey;
    private readonly Lock _lock = new();

    private NetworkAuthority(AuthorityCertificate master, CertificateAuthority? issuer, ECDsa? issuerKey)
    {
        (_issuer, _issuerKey) = (issuer, issuerKey);
        NetworkId = master.NetworkId;
        Certificates = issuer is null ? [master] : [master, issuer.Certificate];
    }

    /// <summary>The network's identifier.</summary>
    public Sha256Digest NetworkId { get; }

    /// <summary>The certificates of the authorities: the master's and, in a managed network, the issuer's.</summary>
    public IReadOnlyList<AuthorityCertificate> Certificates { get; }

    /// <summary>The same, each DER in base64.</summary>
    public IReadOnlyList<string> CertificateTexts => [.. Certificates.Select(one => Convert.ToBase64String(one.Der.Span))];

    /// <summary>Whether the master's key is elsewhere, and the controller cannot certify anybody.</summary>
    [MemberNotNullWhen(false, nameof(_issuer))]
    public bool IsLocked => _issuer is null;

    /// <summary>Opens the network of a data folder, or makes it there.</summary>
    /// <param name="folder">The folder of the keys.</param>
    /// <param name="lockedMaster">The file with the master's certificate of a locked network; null for a managed one, or for what is there.</param>
    /// <param name="now">The time.</param>
    /// <exception cref="UserError">A file cannot be read or written, or the folder has another network.</exception>
    public static NetworkAuthority Open(string folder, string? lockedMaster, DateTimeOffset now)
    {
        string masterFile = Path.Combine(folder, "master.pem");
        string issuerFile = Path.Combine(folder, "issuer.pem");
        if (!File.Exists(masterFile))
            return lockedMaster is null ? CreateManaged(folder, masterFile, issuerFile, now) : CreateLocked(lockedMaster, masterFile);

        AuthorityCertificate master = ReadAuthority(masterFile);
        if (lockedMaster is not null && ReadAuthority(lockedMaster).NetworkId != master.NetworkId)
            throw new UserError($"{lockedMaster} is the master of another network than {masterFile}. Use another --data-dir for another network.");
        if (!File.Exists(issuerFile))
            return new NetworkAuthority(master, null, null);
        if (lockedMaster is not null)
            throw new UserError($"The network in {folder} is a managed one, and cannot be locked afterwards. Use another --data-dir for a locked network.");
        ECDsa key = SecretFile.ReadKey(Path.Combine(folder, "issuer.key"));
        return new NetworkAuthority(master, new CertificateAuthority(ReadAuthority(issuerFile), key), key);
    }

    /// <summary>Certifies a node of a managed network.</summary>
    /// <exception cref="InvalidOperationException">The network is locked.</exception>
    public NodeCertificate Certify(NodeSubject subject, DateTimeOffset now)
    {
        if (IsLocked)
            throw new InvalidOperationException("The key of a locked network is not here.");
        lock (_lock)
            return _issuer.CertifyNode(subject, SerialNumber.Create(RandomNumberGenerator.Fill), now - Backdating, now + Lifetime);
    }

    /// <summary>Whom the network believes, with what was revoked.</summary>
    /// <param name="revocationLists">Revocation lists, DER.</param>
    public NetworkTrust Trust(IEnumerable<byte[]> revocationLists) =>
        NetworkTrust.Create(NetworkId, Certificates.Select(one => one.Der.ToArray()), revocationLists);

    /// <inheritdoc/>
    public void Dispose() => _issuerKey?.Dispose();

    private static NetworkAuthority CreateManaged(string folder, string masterFile, string issuerFile, DateTimeOffset now)
    {
        using ECDsa masterKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        ECDsa issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateAuthority master = CertificateAuthority.CreateMaster(
            "Kedge master", masterKey, SerialNumber.Create(RandomNumberGenerator.Fill), now - Backdating, now.AddYears(20));
        AuthorityCertificate issuer = master.CertifyIssuer(
            "Kedge issuer", P256PublicKey.Of(issuerKey), SerialNumber.Create(RandomNumberGenerator.Fill), now - Backdating, now.AddYears(10));
        // The master's certificate comes last: with it the network exists, and everything else of it does.
        SecretFile.WriteKey(Path.Combine(folder, "master.key"), masterKey);
        SecretFile.WriteKey(Path.Combine(folder, "issuer.key"), issuerKey);
        SecretFile.WriteCertificate(issuerFile, issuer.Der.Span);
        SecretFile.WriteCertificate(masterFile, master.Certificate.Der.Span);
        return new NetworkAuthority(master.Certificate, new CertificateAuthority(issuer, issuerKey), issuerKey);
    }

    private static NetworkAuthority CreateLocked(string lockedMaster, string masterFile)
    {
        AuthorityCertificate master = ReadAuthority(lockedMaster);
        if (!master.IsMaster)
            throw new UserError($"{lockedMaster} is the certificate of an issuer. A locked network begins with its master's: 'kedge ca init' makes one.");
        SecretFile.WriteCertificate(masterFile, master.Der.Span);
        return new NetworkAuthority(master, null, null);
    }

    private static AuthorityCertificate ReadAuthority(string path) =>
        AuthorityCertificate.TryParse(SecretFile.ReadCertificate(path), out AuthorityCertificate? certificate, out CertificateRefusal refusal)
            ? certificate
            : throw new UserError($"{path} is no authority's certificate. {refusal.Sentence()}");
}
