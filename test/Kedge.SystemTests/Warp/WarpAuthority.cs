using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Kedge.SystemTests.Warp;

/// <summary>An authority for tests, and certificates of it as PEM files in a folder.</summary>
internal sealed class WarpAuthority : IDisposable
{
    private const string ServerPurpose = "1.3.6.1.5.5.7.3.1", ClientPurpose = "1.3.6.1.5.5.7.3.2";

    private readonly string _folder;
    private readonly X509Certificate2 _certificate;
    private int _lastSerial;

    public WarpAuthority(string folder, string name)
    {
        _folder = Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-100), DateTimeOffset.UtcNow.AddDays(100));
        File = Write("ca.crt", _certificate.ExportCertificatePem());
    }

    /// <summary>The authority's certificate.</summary>
    public string File { get; }

    /// <summary>A listener's certificate, for <c>localhost</c> and 127.0.0.1.</summary>
    public WarpFiles Listener(string host = "localhost")
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        if (host == "localhost")
            names.AddIpAddress(IPAddress.Loopback);
        return Certify(host, ServerPurpose, TimeSpan.FromDays(30), names.Build());
    }

    /// <summary>A connector's certificate.</summary>
    /// <param name="uid">Its common name.</param>
    /// <param name="lifetime">For how long from now; negative for one that has expired.</param>
    public WarpFiles Connector(string uid, TimeSpan? lifetime = null) => Certify(uid, ClientPurpose, lifetime ?? TimeSpan.FromDays(30), null);

    /// <summary>A list of revoked certificates.</summary>
    public string Revoke(WarpFiles files)
    {
        var builder = new CertificateRevocationListBuilder();
        using X509Certificate2 revoked = X509CertificateLoader.LoadCertificateFromFile(files.Certificate);
        builder.AddEntry(revoked);
        byte[] list = builder.Build(_certificate, 1, DateTimeOffset.UtcNow.AddDays(10), HashAlgorithmName.SHA256);
        string path = Path.Combine(_folder, "revoked.crl");
        System.IO.File.WriteAllBytes(path, list);
        return path;
    }

    public void Dispose() => _certificate.Dispose();

    private WarpFiles Certify(string name, string purpose, TimeSpan lifetime, X509Extension? extension)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], false));
        if (extension is not null)
            request.CertificateExtensions.Add(extension);
        int number = ++_lastSerial;
        using X509Certificate2 certificate = request.Create(
            _certificate, DateTimeOffset.UtcNow.AddDays(-60), DateTimeOffset.UtcNow + lifetime, BitConverter.GetBytes(number));
        return new WarpFiles(
            Write($"{number}.crt", certificate.ExportCertificatePem()), Write($"{number}.key", key.ExportPkcs8PrivateKeyPem()), File);
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, text);
        return path;
    }
}

/// <summary>A certificate, its key, and who certified it: paths of PEM files.</summary>
internal sealed record WarpFiles(string Certificate, string Key, string Authority)
{
    /// <summary>The options by which a command is told them.</summary>
    public string[] Options => ["--cert", Certificate, "--key", Key, "--ca", Authority];
}
