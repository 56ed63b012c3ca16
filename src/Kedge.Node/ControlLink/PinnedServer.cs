using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Kedge.Protocol;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Knows a controller by its pin: the hash of the authority behind its TLS certificate. The machine's own trust in authorities does not
/// matter, and nothing is looked up elsewhere.
/// </summary>
internal sealed class PinnedServer(string host, Sha256Digest pin, TimeProvider clock)
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>Why the last handshake was refused, as a sentence; null when it was not.</summary>
    public string? Refusal { get; private set; }

    /// <summary>How certificates are looked at before <see cref="Accepts"/> is asked: without the network.</summary>
    public static X509ChainPolicy Policy() => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        RevocationMode = X509RevocationMode.NoCheck,
        DisableCertificateDownloads = true,
    };

    /// <summary>
    /// Whether a server is the pinned one: an authority with the pinned key is among what it sent, that has signed its certificate, the
    /// certificate is for the host, and both are valid now.
    /// </summary>
    public bool Accepts(object sender, X509Certificate? certificate, X509Chain? sent, SslPolicyErrors errors)
    {
        Refusal = Check(certificate as X509Certificate2, sent);
        return Refusal is null;
    }

    private string? Check(X509Certificate2? leaf, X509Chain? sent)
    {
        if (leaf is null || sent is null)
            return "It presents no certificate.";
        X509Certificate2? authority = sent.ChainPolicy.ExtraStore
            .Concat(sent.ChainElements.Select(element => element.Certificate))
            .FirstOrDefault(one => Sha256Digest.Of(one.PublicKey.ExportSubjectPublicKeyInfo()) == pin);
        if (authority is null)
            return "Its authority is not the one that the join line names: it is another controller, or somebody is in between.";
        if (!leaf.MatchesHostname(host, allowWildcards: false, allowCommonName: false))
            return $"Its certificate is not for '{host}': use the address that the controller was given with --url.";
        using var chain = new X509Chain { ChainPolicy = Policy() };
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.VerificationTime = clock.GetUtcNow().UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new(ServerAuthentication));
        if (chain.Build(leaf))
            return null;
        bool isOld = chain.ChainStatus.All(status => status.Status == X509ChainStatusFlags.NotTimeValid);
        return isOld
            ? $"Its certificate is not valid at {clock.GetUtcNow():u}: check this machine's clock."
            : $"Its certificate is not good: {string.Join(", ", chain.ChainStatus.Select(status => status.Status))}.";
    }
}
