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

    private const int MostFormerIssuers = 8;

    // For nodes whose clock is behind.
    private static readonly TimeSpan Backdating = TimeSpan.FromHours(1);

    private readonly CertificateAuthority? _issuer;
    private readonly ECDsa? _issuerKey;
    private readonly Lock _lock = new();

    private NetworkAuthority(AuthorityCertificate master, CertificateAuthority? issuer, ECDsa? issuerKey, IEnumerable<AuthorityCertificate> former)
    {
        (_issuer, _issuerKey) = (issuer, issuerKey);
        NetworkId = master.NetworkId;
        Certificates = issuer is null ? [master] : [master, issuer.Certificate, .. former];
    }

    /// <summary>The network's identifier.</summary>
    public Sha256Digest NetworkId { get; }

    /// <summary>
    /// The certificates of the authorities: the master's and, in a managed network, the issuer's and those of former issuers, whose certificates
    /// nodes that were away still have.
    /// </summary>
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
        AuthorityFiles issuerFiles = IssuerFiles(folder);
        if (!File.Exists(masterFile))
            return lockedMaster is null ? CreateManaged(folder, masterFile, issuerFiles, now) : CreateLocked(lockedMaster, masterFile);

        AuthorityCertificate master = ReadAuthority(masterFile);
        if (lockedMaster is not null && ReadAuthority(lockedMaster).NetworkId != master.NetworkId)
            throw new UserError($"{lockedMaster} is the master of another network than {masterFile}. Use another --data-dir for another network.");
        if (!issuerFiles.Exist)
            return new NetworkAuthority(master, null, null, []);
        if (lockedMaster is not null)
            throw new UserError($"The network in {folder} is a managed one, and cannot be locked afterwards. Use another --data-dir for a locked network.");
        IReadOnlyList<AuthorityCertificate> issuers = ReadIssuers(issuerFiles);
        ECDsa key = issuerFiles.ReadKey(issuers[0].Key);
        return new NetworkAuthority(master, new CertificateAuthority(issuers[0], key), key, issuers.Skip(1));
    }

    /// <summary>
    /// Has the master of a managed network certify a new issuer, which certifies from then on. Certificates of the former one hold until they
    /// end, so nothing changes for nodes that are away meanwhile. The former key is deleted.
    /// </summary>
    /// <param name="folder">The folder of the keys; no controller runs on it.</param>
    /// <param name="masterKeyFile">The file of the master key, wherever it is kept; null for the one in the folder.</param>
    /// <param name="now">The time.</param>
    /// <returns>The new issuer's certificate.</returns>
    /// <exception cref="UserError">There is no issuer, or the master key is another one or cannot be read.</exception>
    public static AuthorityCertificate RotateIssuer(string folder, string? masterKeyFile, DateTimeOffset now)
    {
        AuthorityFiles files = IssuerFiles(folder);
        if (!files.Exist)
            throw new UserError($"{folder} has no issuer: in a locked network the master certifies nodes itself, and there is nothing to rotate.");
        AuthorityCertificate master = ReadAuthority(Path.Combine(folder, "master.pem"));
        masterKeyFile ??= MasterKeyFileOf(folder);
        if (!File.Exists(masterKeyFile))
            throw new UserError($"The master key is not in {masterKeyFile}. Name the file where it is kept: --master-key FILE");
        IReadOnlyList<AuthorityCertificate> issuers = ReadIssuers(files);
        files.ReadKey(issuers[0].Key).Dispose(); // finishes a rotation that was interrupted
        using ECDsa masterKey = SecretFile.ReadKey(masterKeyFile);
        if (!P256PublicKey.Of(masterKey).Equals(master.Key))
            throw new UserError($"{masterKeyFile} is not the key of this network's master. Name the file where that is kept: --master-key FILE");
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        AuthorityCertificate issuer = CertifyIssuer(new CertificateAuthority(master, masterKey), key, now);
        files.Replace(key, [issuer.Der, .. issuers.Where(former => former.NotAfter >= now).Take(MostFormerIssuers).Select(former => former.Der)]);
        return issuer;
    }

    /// <summary>The file of a managed network's master key, as long as nobody has moved it to where it is safer.</summary>
    public static string MasterKeyFileOf(string folder) => Path.Combine(folder, "master.key");

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

    private static AuthorityFiles IssuerFiles(string folder) => new(folder, "issuer");

    private static IReadOnlyList<AuthorityCertificate> ReadIssuers(AuthorityFiles files) =>
        [.. files.ReadCertificates().Select(der => ReadAuthority(files.CertificateFile, der))];

    private static AuthorityCertificate CertifyIssuer(CertificateAuthority master, ECDsa key, DateTimeOffset now) => master.CertifyIssuer(
        "Kedge issuer", P256PublicKey.Of(key), SerialNumber.Create(RandomNumberGenerator.Fill), now - Backdating, now.AddYears(10));

    private static NetworkAuthority CreateManaged(string folder, string masterFile, AuthorityFiles issuerFiles, DateTimeOffset now)
    {
        using ECDsa masterKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        ECDsa issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateAuthority master = CertificateAuthority.CreateMaster(
            "Kedge master", masterKey, SerialNumber.Create(RandomNumberGenerator.Fill), now - Backdating, now.AddYears(20));
        AuthorityCertificate issuer = CertifyIssuer(master, issuerKey, now);
        // The master's certificate comes last: with it the network exists, and everything else of it does.
        SecretFile.WriteKey(MasterKeyFileOf(folder), masterKey);
        issuerFiles.Replace(issuerKey, [issuer.Der]);
        SecretFile.WriteCertificate(masterFile, master.Certificate.Der.Span);
        return new NetworkAuthority(master.Certificate, new CertificateAuthority(issuer, issuerKey), issuerKey, []);
    }

    private static NetworkAuthority CreateLocked(string lockedMaster, string masterFile)
    {
        AuthorityCertificate master = ReadAuthority(lockedMaster);
        if (!master.IsMaster)
            throw new UserError($"{lockedMaster} is the certificate of an issuer. A locked network begins with its master's: 'kedge ca init' makes one.");
        SecretFile.WriteCertificate(masterFile, master.Der.Span);
        return new NetworkAuthority(master, null, null, []);
    }

    private static AuthorityCertificate ReadAuthority(string path) => ReadAuthority(path, SecretFile.ReadCertificate(path));

    private static AuthorityCertificate ReadAuthority(string path, byte[] der) =>
        AuthorityCertificate.TryParse(der, out AuthorityCertificate? certificate, out CertificateRefusal refusal)
            ? certificate
            : throw new UserError($"{path} is no authority's certificate. {refusal.Sentence()}");
}
