using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Kedge.Protocol;

namespace Kedge.Tests.ControlLink;

/// <summary>An authority of servers, as a controller has one.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;

    /// <param name="isAuthority">Whether its certificate lets it certify others (RFC 5280 section 4.2.1.9).</param>
    public TestAuthority(bool isAuthority = true)
    {
        var request = new CertificateRequest(Name, new PublicKey(_key), HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, isAuthority, 0, true));
        // Not issued by itself: .NET sends no such certificate.
        DateTimeOffset now = DateTimeOffset.UtcNow;
        _certificate = request.Create(
            new X500DistinguishedName("CN=Above"), X509SignatureGenerator.CreateForECDsa(_key), now.AddDays(-10), now.AddDays(10), [1]);
    }

    // The same for all: names prove nothing.
    public static X500DistinguishedName Name { get; } = new("CN=Test authority");

    public X509Certificate2 Certificate => _certificate;

    public Sha256Digest Pin => Sha256Digest.Of(_certificate.PublicKey.ExportSubjectPublicKeyInfo());

    /// <summary>A server's certificate with its key.</summary>
    /// <param name="days">From which day to which it holds, today being 0.</param>
    /// <param name="usage">The extended key usage (RFC 5280 section 4.2.1.12).</param>
    /// <param name="name">The DNS name that it is for.</param>
    public X509Certificate2 Certify((int From, int To) days = default, string usage = "1.3.6.1.5.5.7.3.1", string name = "localhost")
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Server", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        DateTimeOffset now = DateTimeOffset.UtcNow;
        (int from, int to) = days == default ? (-1, 1) : days;
        using X509Certificate2 bare = request.Create(
            Name, X509SignatureGenerator.CreateForECDsa(_key), now.AddDays(from), now.AddDays(to), [2]);
        return bare.CopyWithPrivateKey(key);
    }

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }
}

/// <summary>A server on loopback that gives one answer to whatever it is asked, and keeps what it was asked.</summary>
internal sealed class TestServer : IDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly SslStreamCertificateContext _context;
    private readonly byte[] _answer;
    private readonly Task _serving;

    /// <param name="leaf">Its certificate and key.</param>
    /// <param name="sent">What it sends beside that.</param>
    /// <param name="answer">The answer, as HTTP/1.1 has it.</param>
    public TestServer(X509Certificate2 leaf, X509Certificate2? sent, string answer = "HTTP/1.1 204 No Content\r\n\r\n")
    {
        _context = SslStreamCertificateContext.Create(leaf, sent is null ? null : [sent], offline: true);
        _answer = Encoding.UTF8.GetBytes(answer);
        _listener.Start();
        _serving = ServeAsync();
    }

    public Uri Url => new($"https://localhost:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>What it was asked, all requests behind each other.</summary>
    public StringBuilder Asked { get; } = new();

    /// <summary>An answer with a body.</summary>
    public static string Answer(string status, string mediaType, string body) =>
        $"HTTP/1.1 {status}\r\nContent-Type: {mediaType}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}";

    public void Dispose()
    {
        _ending.Cancel();
        _serving.GetAwaiter().GetResult();
        _listener.Dispose();
        _ending.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            try
            {
                using TcpClient client = await _listener.AcceptTcpClientAsync(_ending.Token);
                await using var tls = new SslStream(client.GetStream());
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = _context }, _ending.Token);
                var buffer = new byte[16384];
                while (await tls.ReadAsync(buffer, _ending.Token) is > 0 and var count)
                {
                    Asked.Append(Encoding.UTF8.GetString(buffer, 0, count));
                    if (Asked.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
                        await tls.WriteAsync(_answer);
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
            {
                // The client did not like it, which is what most tests are about.
            }
        }
    }
}
