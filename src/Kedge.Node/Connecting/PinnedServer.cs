using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Kedge.Linux;
using Kedge.Protocol;

namespace Kedge.Node.Connecting;

/// <summary>
/// A controller that is known by the key of its server authority: no public authority is asked. The key is pinned itself, or is certified by
/// one that was pinned before it, as after a rotation that the node was away for. Any thread.
/// </summary>
/// <remarks>
/// The name in the server's certificate does not count: the authority certifies nobody but its own controller, which may get another name, and
/// goes on being reached by the former one.
/// </remarks>
/// <param name="pins">SHA-256 of authorities' SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), as join lines have them; any of them will do.</param>
/// <param name="clock">What time it is.</param>
public sealed class PinnedServer(IReadOnlyCollection<Sha256Digest> pins, TimeProvider clock)
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1"; // id-kp-serverAuth, RFC 5280 section 4.2.1.12
    private const int MostRotations = 8;

    private volatile object? _authority;

    /// <summary>A server that is known by one authority.</summary>
    public PinnedServer(Sha256Digest pin, TimeProvider clock)
        : this([pin], clock)
    {
    }

    /// <summary>
    /// The SHA-256 of the SubjectPublicKeyInfo of the authority that has certified the server, as it was accepted last; null before that.
    /// </summary>
    public Sha256Digest? Authority => (Sha256Digest?)_authority;

    /// <summary>
    /// A handler that connects to this server alone. It follows no redirection. The caller disposes it; settings and client certificates may
    /// be added before its first use.
    /// </summary>
    /// <param name="mark">The firewall mark of its connections, where this process may set one; 0 for none.</param>
    public SocketsHttpHandler CreateHandler(uint mark = 0) => new()
    {
        AllowAutoRedirect = false,
        ConnectCallback = async (context, cancellation) =>
            await HostConnector.ConnectAsync(context.DnsEndPoint.Host, context.DnsEndPoint.Port, socket => Mark(socket, mark), cancellation),
        UseCookies = false,
        SslOptions = CreateTlsOptions(),
    };

    /// <summary>What a TLS handshake needs to accept this server alone. Where a name is needed for it, the caller adds it.</summary>
    public SslClientAuthenticationOptions CreateTlsOptions() => new()
    {
        CertificateChainPolicy = PlatformTrust.None(), // the chain that the platform builds is not used
        RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
            Verify(certificate as X509Certificate2, chain?.ChainPolicy.ExtraStore, clock.GetLocalNow().DateTime),
    };

    private static void Mark(Socket socket, uint mark)
    {
        if (mark != 0)
            SocketMark.TrySet(socket, mark);
    }

    /// <summary>Accepts what the server presents, or says why not.</summary>
    /// <param name="leaf">The server's own certificate.</param>
    /// <param name="sent">All certificates that it sent.</param>
    /// <param name="now">The local time, as <see cref="X509ChainPolicy.VerificationTime"/> wants it.</param>
    /// <exception cref="PinnedServerException">It is another server, or its certificate does not hold.</exception>
    private bool Verify(X509Certificate2? leaf, X509Certificate2Collection? sent, DateTime now)
    {
        if (leaf is null)
            throw new PinnedServerException("The server shows no certificate.");
        X509Certificate2[] authorities = [.. (sent ?? []).Where(certificate => !certificate.RawDataMemory.Span.SequenceEqual(leaf.RawDataMemory.Span))];
        X509Certificate2 pinned = authorities.FirstOrDefault(certificate => pins.Contains(PinOf(certificate)))
            ?? throw new PinnedServerException(
                $"The server is not the one that is pinned: none of its certificates is of the authority {string.Join(" or ", pins)}. "
                + "Either the address or the pin is another controller's, or somebody has put a server of theirs in between.");
        X509Certificate2 authority = FindIssuer(leaf, authorities, pinned, ServerAuthentication, now);
        for ((X509Certificate2 certified, int steps) = (authority, 0); !pins.Contains(PinOf(certified)); steps++)
        {
            if (steps == MostRotations)
                throw NotIssued();
            certified = FindIssuer(certified, authorities, pinned, null, now);
        }
        _authority = PinOf(authority);
        return true;
    }

    private static PinnedServerException NotIssued() =>
        new("The server's certificate was not issued by the pinned authority, which it shows beside it.");

    /// <summary>The authority that has certified a key. Names prove nothing; signature, dates and usages do.</summary>
    private static X509Certificate2 FindIssuer(
        X509Certificate2 certificate, X509Certificate2[] authorities, X509Certificate2 pinned, string? purpose, DateTime now)
    {
        // The pinned one first: what is wrong with its certificates is worth being told.
        X509Certificate2[] candidates = [pinned, .. authorities.Where(one => one != pinned)];
        PinnedServerException? refusal = null;
        foreach (X509Certificate2 authority in candidates.Where(one => one != certificate))
        {
            if (Check(certificate, authority, purpose, now) is not { } reason)
                return authority;
            refusal ??= reason;
        }
        throw refusal ?? NotIssued();
    }

    private static PinnedServerException? Check(X509Certificate2 certificate, X509Certificate2 authority, string? purpose, DateTime now)
    {
        using var chain = new X509Chain { ChainPolicy = PlatformTrust.None() };
        X509ChainPolicy policy = chain.ChainPolicy;
        policy.CustomTrustStore.Add(authority);
        // The authority's certificate need not be signed by itself: a server can send only one that is not, because the platform leaves roots
        // out.
        policy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
        if (purpose is not null)
            policy.ApplicationPolicy.Add(new(purpose));
        policy.VerificationTime = now;
        bool valid = chain.Build(certificate);
        try
        {
            if (chain.ChainElements.Count != 2 || !chain.ChainElements[1].Certificate.RawDataMemory.Span.SequenceEqual(authority.RawDataMemory.Span))
                return NotIssued();
            if (chain.ChainStatus.Any(one => one.Status.HasFlag(X509ChainStatusFlags.NotTimeValid)))
                return new PinnedServerException(DescribeDates(chain.ChainElements.Select(element => element.Certificate), now));
            return valid ? null : NotIssued();
        }
        finally
        {
            foreach (X509ChainElement element in chain.ChainElements)
                element.Certificate.Dispose();
        }
    }

    private static Sha256Digest PinOf(X509Certificate2 certificate) => Sha256Digest.Of(certificate.PublicKey.ExportSubjectPublicKeyInfo());

    private static string DescribeDates(IEnumerable<X509Certificate2> certificates, DateTime now)
    {
        X509Certificate2 wrong = certificates.First(certificate => now < certificate.NotBefore || now > certificate.NotAfter);
        return $"The server's certificate holds from {wrong.NotBefore.ToUniversalTime():u} to {wrong.NotAfter.ToUniversalTime():u}, but it is "
            + $"{now.ToUniversalTime():u} here: check the clocks of both machines.";
    }
}
