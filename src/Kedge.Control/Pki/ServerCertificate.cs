using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Control.Pki;

/// <summary>
/// By what nodes and administrators know the controller: a certificate of an authority of its own, whose key join lines pin. The leaf lives
/// 90 days and is made anew after 60, in memory: what is pinned stays, and no file can run out. Behind it goes a chain of keys, each
/// certified by the one before it, back to the oldest that somebody may still have pinned: whoever pins any of them finds it. Any thread.
/// </summary>
internal sealed class ServerCertificate : IDisposable
{
    private static readonly TimeSpan LeafLifetime = TimeSpan.FromDays(90);
    private static readonly TimeSpan LeafUse = TimeSpan.FromDays(60);
    private static readonly TimeSpan Backdating = TimeSpan.FromHours(1);

    private const string FirstName = "Kedge server authority";

    // So many rotations may pass while somebody is away.
    private const int MostFormer = 4;

    private readonly ECDsa _authorityKey;
    private readonly X509Certificate2 _authority;
    private readonly X509Certificate2[] _sent;
    private readonly ECDsa _leafKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly IReadOnlyCollection<string> _hosts;
    private readonly TimeProvider _clock;
    private readonly Lock _lock = new();
    private volatile Leaf _leaf;

    private ServerCertificate(
        ECDsa authorityKey, X509Certificate2 authority, X509Certificate2[] former, IReadOnlyCollection<string> hosts, TimeProvider clock)
    {
        (_authorityKey, _authority, _hosts, _clock) = (authorityKey, authority, hosts, clock);
        _sent = former.Length > 0 ? former : [CreateSentAuthority(authority, authorityKey)];
        Pins = [.. _sent.Select(PinOf).Distinct()];
        _leaf = MakeLeaf();
    }

    /// <summary>The SHA-256 of the authority's SubjectPublicKeyInfo: what join lines pin.</summary>
    public Sha256Digest Pin => Pins[0];

    /// <summary>By what the controller can be known at present: <see cref="Pin"/>, and those of former authorities.</summary>
    public IReadOnlyList<Sha256Digest> Pins { get; }

    /// <summary>The authority's certificate, DER.</summary>
    public ReadOnlyMemory<byte> Authority => _authority.RawDataMemory;

    /// <summary>What a TLS handshake presents at this time: the leaf, and the authority behind it.</summary>
    public SslStreamCertificateContext Current
    {
        get
        {
            Leaf leaf = _leaf;
            if (!leaf.IsFresh(_clock.GetUtcNow()))
            {
                lock (_lock)
                {
                    if (!_leaf.IsFresh(_clock.GetUtcNow()))
                        _leaf = MakeLeaf();
                    leaf = _leaf;
                }
            }
            return leaf.Context;
        }
    }

    /// <summary>The file that has the authority's certificate, in the folder of the keys.</summary>
    public static string AuthorityFileOf(string folder) => Path.Combine(folder, "server-ca.pem");

    /// <summary>Opens the server authority of a data folder, or makes it there.</summary>
    /// <param name="folder">The folder of the keys.</param>
    /// <param name="hosts">The names and addresses by which the controller is called.</param>
    /// <param name="clock">What time it is.</param>
    /// <exception cref="UserError">A file cannot be read or written.</exception>
    public static ServerCertificate Open(string folder, IReadOnlyCollection<string> hosts, TimeProvider clock)
    {
        AuthorityFiles files = FilesOf(folder);
        if (files.Exist)
        {
            X509Certificate2[] certificates = Load(files);
            return new ServerCertificate(files.ReadKey(KeyOf(certificates[0])), certificates[0], certificates[1..], hosts, clock);
        }
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        X509Certificate2 authority = CreateAuthority(FirstName, key, clock.GetUtcNow());
        files.Replace(key, [authority.RawDataMemory]);
        return new ServerCertificate(key, authority, [], hosts, clock);
    }

    /// <summary>
    /// Puts a new authority in place of the present one, whose key certifies the new key once and is deleted. Who has pinned the former one, and
    /// was away, finds the controller by that certificate.
    /// </summary>
    /// <param name="folder">The folder of the keys; no controller runs on it.</param>
    /// <param name="now">The time.</param>
    /// <returns>The pins by which the controller is known from then on, the new one first.</returns>
    /// <exception cref="UserError">There is no authority yet, or a file cannot be read or written.</exception>
    public static IReadOnlyList<Sha256Digest> Rotate(string folder, DateTimeOffset now)
    {
        AuthorityFiles files = FilesOf(folder);
        X509Certificate2[] certificates = LoadExisting(files);
        X509Certificate2 former = certificates[0];
        using ECDsa formerKey = files.ReadKey(KeyOf(former)), key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // Another name: a certificate whose issuer is called as its subject counts as one that signs itself.
        X509Certificate2 authority = CreateAuthority($"{FirstName} of {now:yyyy-MM-dd HH:mm:ss}", key, now);
        X509Certificate2[] chain = certificates.Length > 1 ? certificates[1..] : [CreateSentAuthority(former, formerKey)];
        X509Certificate2[] sent = [CreateCross(authority, former, formerKey), .. chain.Take(MostFormer)];
        files.Replace(key, [authority.RawDataMemory, .. sent.Select(one => one.RawDataMemory)]);
        return [.. sent.Select(PinOf).Distinct()];
    }

    /// <summary>Forgets former authorities: who has pinned one of them and was not there since will not find the controller any more.</summary>
    /// <param name="folder">The folder of the keys; no controller runs on it.</param>
    /// <returns>The pins by which the controller is known from then on: one.</returns>
    /// <exception cref="UserError">There is no authority yet, or a file cannot be read or written.</exception>
    public static IReadOnlyList<Sha256Digest> ForgetFormer(string folder)
    {
        AuthorityFiles files = FilesOf(folder);
        X509Certificate2 present = LoadExisting(files)[0];
        files.ReadKey(KeyOf(present)).Dispose(); // finishes a rotation that was interrupted
        SecretFile.WriteCertificate(files.CertificateFile, present.RawDataMemory.Span);
        return [PinOf(present)];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _leafKey.Dispose();
        foreach (X509Certificate2 certificate in _sent)
            certificate.Dispose();
        _authority.Dispose();
        _authorityKey.Dispose();
    }

    private static AuthorityFiles FilesOf(string folder) => new(folder, "server-ca");

    private static X509Certificate2[] Load(AuthorityFiles files)
    {
        try
        {
            return [.. files.ReadCertificates().Select(der => X509CertificateLoader.LoadCertificate(der))];
        }
        catch (CryptographicException e)
        {
            throw new UserError(
                $"{files.CertificateFile} has a certificate that cannot be read: {e.Message} Restore it from a backup of the data folder.", e);
        }
    }

    private static X509Certificate2[] LoadExisting(AuthorityFiles files) => files.Exist
        ? Load(files)
        : throw new UserError($"There is no {files.CertificateFile}: the controller has never run here. Name its folder with --data-dir.");

    private static P256PublicKey KeyOf(X509Certificate2 certificate) =>
        P256PublicKey.TryParse(certificate.PublicKey.ExportSubjectPublicKeyInfo(), out P256PublicKey? key)
            ? key
            : throw new UserError("The server authority's certificate is not one of Kedge's: its key is not ECDSA P-256. Restore it from a backup.");

    private static Sha256Digest PinOf(X509Certificate2 certificate) => Sha256Digest.Of(certificate.PublicKey.ExportSubjectPublicKeyInfo());

    /// <summary>The former authority's word for a new one's key.</summary>
    private static X509Certificate2 CreateCross(X509Certificate2 authority, X509Certificate2 former, ECDsa formerKey)
    {
        var request = new CertificateRequest(authority.SubjectName, authority.PublicKey, HashAlgorithmName.SHA256);
        foreach (X509Extension extension in authority.Extensions)
            request.CertificateExtensions.Add(extension);
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(former, true, false));
        return request.Create(
            former.SubjectName, X509SignatureGenerator.CreateForECDsa(formerKey), authority.NotBefore, authority.NotAfter, authority.SerialNumberBytes.Span);
    }

    private static X509Certificate2 CreateAuthority(string name, ECDsa key, DateTimeOffset now)
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request.CreateSelfSigned(now - Backdating, now.AddYears(10));
    }

    /// <summary>
    /// The authority's key in a certificate that goes behind the leaf in handshakes: who pins the key must see it. One that signs itself the
    /// library leaves out, because others know such a certificate beforehand; so this one names another issuer.
    /// </summary>
    private static X509Certificate2 CreateSentAuthority(X509Certificate2 authority, ECDsa key)
    {
        var request = new CertificateRequest(authority.SubjectName, authority.PublicKey, HashAlgorithmName.SHA256);
        foreach (X509Extension extension in authority.Extensions)
            request.CertificateExtensions.Add(extension);
        byte[] serial = [0x40, .. authority.SerialNumberBytes.Span[1..]];
        return request.Create(
            new X500DistinguishedName("CN=Kedge controllers"), X509SignatureGenerator.CreateForECDsa(key), authority.NotBefore, authority.NotAfter, serial);
    }

    private Leaf MakeLeaf()
    {
        DateTimeOffset now = _clock.GetUtcNow();
        var request = new CertificateRequest("CN=Kedge controller", _leafKey, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (string host in _hosts)
        {
            if (IPAddress.TryParse(host, out IPAddress? address))
                names.AddIpAddress(address);
            else
                names.AddDnsName(host);
        }
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false)); // serverAuth
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_authority, true, false));
        var signer = X509SignatureGenerator.CreateForECDsa(_authorityKey);
        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x3F) | 0x40);
        using X509Certificate2 bare = request.Create(_authority.SubjectName, signer, now - Backdating, now + LeafLifetime, serial);
        X509Certificate2 leaf = bare.CopyWithPrivateKey(_leafKey);
        var context = SslStreamCertificateContext.Create(leaf, [.. _sent], offline: true);
        return new Leaf(context, now - Backdating, now + LeafUse);
    }

    /// <summary>A leaf, and when it is used: outside of that, whichever way the clock went, another is made.</summary>
    private sealed record Leaf(SslStreamCertificateContext Context, DateTimeOffset From, DateTimeOffset To)
    {
        public bool IsFresh(DateTimeOffset now) => now >= From && now <= To;
    }
}
