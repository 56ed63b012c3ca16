using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Control.Pki;

/// <summary>
/// By what nodes and administrators know the controller: a certificate of an authority of its own, whose key join lines pin. The leaf lives
/// 90 days and is made anew after 60, in memory: what is pinned stays, and no file can run out. Any thread.
/// </summary>
internal sealed class ServerCertificate : IDisposable
{
    private static readonly TimeSpan LeafLifetime = TimeSpan.FromDays(90);
    private static readonly TimeSpan LeafUse = TimeSpan.FromDays(60);
    private static readonly TimeSpan Backdating = TimeSpan.FromHours(1);

    private readonly ECDsa _authorityKey;
    private readonly X509Certificate2 _authority;
    private readonly X509Certificate2 _sentAuthority;
    private readonly ECDsa _leafKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly IReadOnlyCollection<string> _hosts;
    private readonly TimeProvider _clock;
    private readonly Lock _lock = new();
    private volatile Leaf _leaf;

    private ServerCertificate(ECDsa authorityKey, X509Certificate2 authority, IReadOnlyCollection<string> hosts, TimeProvider clock)
    {
        (_authorityKey, _authority, _hosts, _clock) = (authorityKey, authority, hosts, clock);
        Pin = P256PublicKey.Of(authorityKey).Hash;
        _sentAuthority = CreateSentAuthority();
        _leaf = MakeLeaf();
    }

    /// <summary>The SHA-256 of the authority's SubjectPublicKeyInfo: what join lines pin.</summary>
    public Sha256Digest Pin { get; }

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
        string certificateFile = AuthorityFileOf(folder);
        string keyFile = Path.Combine(folder, "server-ca.key");
        if (File.Exists(certificateFile))
        {
            X509Certificate2 certificate = X509CertificateLoader.LoadCertificate(SecretFile.ReadCertificate(certificateFile));
            return new ServerCertificate(SecretFile.ReadKey(keyFile), certificate, hosts, clock);
        }
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        X509Certificate2 authority = CreateAuthority(key, clock.GetUtcNow());
        SecretFile.WriteKey(keyFile, key);
        SecretFile.WriteCertificate(certificateFile, authority.RawDataMemory.Span);
        return new ServerCertificate(key, authority, hosts, clock);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _leafKey.Dispose();
        _sentAuthority.Dispose();
        _authority.Dispose();
        _authorityKey.Dispose();
    }

    private static X509Certificate2 CreateAuthority(ECDsa key, DateTimeOffset now)
    {
        var request = new CertificateRequest("CN=Kedge server authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request.CreateSelfSigned(now - Backdating, now.AddYears(10));
    }

    /// <summary>
    /// The authority's key in a certificate that goes behind the leaf in handshakes: who pins the key must see it. One that signs itself the
    /// library leaves out, because others know such a certificate beforehand; so this one names another issuer.
    /// </summary>
    private X509Certificate2 CreateSentAuthority()
    {
        var request = new CertificateRequest(_authority.SubjectName, new PublicKey(_authorityKey), HashAlgorithmName.SHA256);
        foreach (X509Extension extension in _authority.Extensions)
            request.CertificateExtensions.Add(extension);
        byte[] serial = [0x40, .. _authority.SerialNumberBytes.Span[1..]];
        return request.Create(
            new X500DistinguishedName("CN=Kedge controllers"), X509SignatureGenerator.CreateForECDsa(_authorityKey),
            _authority.NotBefore, _authority.NotAfter, serial);
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
        var context = SslStreamCertificateContext.Create(leaf, [_sentAuthority], offline: true);
        return new Leaf(context, now - Backdating, now + LeafUse);
    }

    /// <summary>A leaf, and when it is used: outside of that, whichever way the clock went, another is made.</summary>
    private sealed record Leaf(SslStreamCertificateContext Context, DateTimeOffset From, DateTimeOffset To)
    {
        public bool IsFresh(DateTimeOffset now) => now >= From && now <= To;
    }
}
