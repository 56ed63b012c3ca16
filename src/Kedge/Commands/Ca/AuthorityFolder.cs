using System.Security.Cryptography;
using Kedge.Control.Pki;
using Kedge.Linux;
using Kedge.Linux.Processes;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Commands.Ca;

/// <summary>
/// The folder of a network's master: <c>master.key</c> (PKCS #8 in PEM, 0600), <c>master.pem</c>, <c>revoked.pem</c> once there is a
/// revocation list, in <c>invitations</c> who was invited, and in <c>issued</c> every certificate that the master has signed. What is not
/// in <c>issued</c> cannot be told apart from what was never signed, so nothing is deleted there.
/// </summary>
internal sealed class AuthorityFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private AuthorityFolder(string path, AuthorityCertificate master)
    {
        Path = path;
        Master = master;
        byte[][] lists = File.Exists(ListFileOf(path)) ? [.. PemFile.Read(ListFileOf(path)).Select(item => item.Der)] : [];
        Trust = NetworkTrust.Create(master.NetworkId, [master.Der.ToArray()], lists);
        if (Trust.Refused is [var refused, ..])
            throw new UserError($"The {refused.What} in {path} is not one of this master. {refused.Refusal.Sentence()}");
        Revoked = Trust.RevocationLists.FirstOrDefault();
        Issued = [.. ReadIssued()];
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The master's certificate.</summary>
    public AuthorityCertificate Master { get; }

    /// <summary>The master, and what it has revoked.</summary>
    public NetworkTrust Trust { get; private set; }

    /// <summary>The present revocation list; null before the first.</summary>
    public RevocationList? Revoked { get; private set; }

    /// <summary>Every certificate of a node that the master has signed here.</summary>
    public List<NodeCertificate> Issued { get; }

    /// <summary>Who was invited.</summary>
    public InvitationFolder Invitations => new(System.IO.Path.Combine(Path, "invitations"));

    /// <summary>The file of the revocation list.</summary>
    public string ListFile => ListFileOf(Path);

    /// <summary>The file of the master's certificate.</summary>
    public string CertificateFile => CertificateFileOf(Path);

    private string KeyFile => System.IO.Path.Combine(Path, "master.key");

    private string IssuedFolder => System.IO.Path.Combine(Path, "issued");

    /// <summary>Makes a new master, whose certificate is valid for 20 years.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="name">The master's name.</param>
    /// <param name="now">The time.</param>
    /// <param name="addresses">The network's own addresses; null for a network that is bound to none.</param>
    /// <exception cref="UserError">There is one already, or the folder cannot be written.</exception>
    public static AuthorityFolder Create(string path, string name, DateTimeOffset now, AddressBlocks? addresses = null)
    {
        string keyFile = System.IO.Path.Combine(path, "master.key");
        foreach (string file in (string[])[keyFile, CertificateFileOf(path)])
        {
            if (System.IO.Path.Exists(file))
                throw new UserError($"{file} is there already, and a master key is never replaced: the whole network hangs on it. Choose another folder.");
        }
        CreateFolder(path);
        CreateFolder(System.IO.Path.Combine(path, "issued"));
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateAuthority master;
        try
        {
            master = CertificateAuthority.CreateMaster(name, key, NewSerial(), now.AddHours(-1), now.AddYears(20), addresses);
        }
        catch (ArgumentException)
        {
            throw new UserError($"'{name}' cannot be a master's name: 1 to 64 printable characters, no blank at either end.");
        }
        SecretFile.WriteKey(keyFile, key); // first: a certificate whose key is lost would be a network that nobody can join
        PemFile.Write(CertificateFileOf(path), "CERTIFICATE", master.Certificate.Der.Span);
        return new AuthorityFolder(path, master.Certificate);
    }

    /// <summary>
    /// Keeps others from signing and revoking here until the result is disposed: what two of them sign at the same time, neither would check
    /// against the other. To be called before <see cref="Open"/>, which reads what was signed.
    /// </summary>
    /// <exception cref="UserError">Somebody else does.</exception>
    public static IDisposable? Claim(string path)
    {
        if (!Directory.Exists(path))
            return null;
        try
        {
            return ProcessLock.TryTake(System.IO.Path.Combine(path, "ca.lock"))
                ?? throw new UserError($"Another 'kedge ca' is signing or revoking in {path}. Try again when it is done.");
        }
        catch (LinuxException e)
        {
            throw new UserError($"{path} cannot be locked: {e.Message}.", e);
        }
    }

    /// <summary>Opens the folder; the key is not touched.</summary>
    /// <exception cref="UserError">It is not the folder of a master.</exception>
    public static AuthorityFolder Open(string path)
    {
        string file = CertificateFileOf(path);
        if (!File.Exists(file))
            throw new UserError($"{path} has no master.pem, so it is not the folder of a master key. 'kedge ca init {path}' makes a new one.");
        if (PemFile.Read(file) is not [{ Label: "CERTIFICATE" } item])
            throw new UserError($"{file} is not one certificate in PEM.");
        if (!AuthorityCertificate.TryParse(item.Der, out AuthorityCertificate? master, out CertificateRefusal refusal))
            throw new UserError($"{file} is no authority's certificate. {refusal.Sentence()}");
        return master.IsMaster ? new AuthorityFolder(path, master) : throw new UserError($"{file} is the certificate of an issuer, not of a master.");
    }

    /// <summary>A serial number that nobody can predict.</summary>
    public static SerialNumber NewSerial() => SerialNumber.Create(RandomNumberGenerator.Fill);

    /// <summary>Reads the key and hands the master to <paramref name="use"/>; the key is gone afterwards.</summary>
    /// <exception cref="UserError">The key cannot be read, is another one, or others can read it too.</exception>
    public T Unlock<T>(Func<CertificateAuthority, T> use)
    {
        using ECDsa key = PemFile.ReadKey(KeyFile);
        CertificateAuthority authority;
        try
        {
            authority = new CertificateAuthority(Master, key);
        }
        catch (ArgumentException e)
        {
            throw new UserError($"{KeyFile} is not the key of {CertificateFile}.", e);
        }
        return use(authority);
    }

    /// <summary>Keeps a certificate that was signed, before anybody else gets it.</summary>
    public void Keep(NodeCertificate certificate)
    {
        CreateFolder(IssuedFolder);
        PemFile.Write(FileOf(certificate), "CERTIFICATE", certificate.Der.Span);
        Issued.Add(certificate);
    }

    /// <summary>The file of a certificate that was signed here.</summary>
    public string FileOf(NodeCertificate certificate) => System.IO.Path.Combine(IssuedFolder, $"{certificate.Name}-{certificate.Serial}.pem");

    /// <summary>Signs a new revocation list, with all of the present one and more, and puts it in place of that.</summary>
    /// <param name="master">The master of this folder, as <see cref="Unlock"/> hands it out.</param>
    /// <param name="serials">The certificates that are to be added, none of which is on the list.</param>
    /// <param name="now">The time.</param>
    public void Revoke(CertificateAuthority master, IEnumerable<SerialNumber> serials, DateTimeOffset now)
    {
        IEnumerable<RevokedCertificate> added = serials.Select(serial => new RevokedCertificate(serial, now));
        RevocationList list = master.SignRevocationList((Revoked?.Number ?? 0) + 1, now, [.. Revoked?.Entries ?? [], .. added]);
        PemFile.Write(ListFile, "X509 CRL", list.Der.Span);
        Trust = Trust.Merge([], [list.Der.ToArray()]);
        Revoked = list;
    }

    private static string CertificateFileOf(string path) => System.IO.Path.Combine(path, "master.pem");

    private static string ListFileOf(string path) => System.IO.Path.Combine(path, "revoked.pem");

    private static void CreateFolder(string path)
    {
        try
        {
            Directory.CreateDirectory(path, OwnerOnly);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {path} cannot be made: {e.Message}", e);
        }
    }

    private IEnumerable<NodeCertificate> ReadIssued()
    {
        if (!Directory.Exists(IssuedFolder))
            yield break;
        foreach (string file in Directory.GetFiles(IssuedFolder, "*.pem").Order(StringComparer.Ordinal))
        {
            foreach (PemItem item in PemFile.Read(file))
            {
                if (!NodeCertificate.TryParse(item.Der, out NodeCertificate? certificate, out CertificateRefusal refusal))
                    throw new UserError($"{file} is no node's certificate, but {IssuedFolder} is the record of what was signed. {refusal.Sentence()}");
                yield return certificate;
            }
        }
    }
}
