using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kedge.Node.Connecting;
using Kedge.Protocol;

namespace Kedge.Warp.Identity;

/// <summary>Whom one end of a warp believes: who holds a certificate of these authorities that is valid and not revoked. Any thread.</summary>
public sealed class PeerTrust
{
    private const string ClientPurpose = "1.3.6.1.5.5.7.3.2";
    private const string ServerPurpose = "1.3.6.1.5.5.7.3.1";
    private const string CommonName = "2.5.4.3";

    private readonly X509Certificate2Collection _roots = [];
    private readonly X509Certificate2Collection _intermediates = [];
    private readonly IReadOnlyList<RevokedSerials> _revoked;

    private PeerTrust(X509Certificate2Collection authorities, IReadOnlyList<RevokedSerials> revoked)
    {
        foreach (X509Certificate2 authority in authorities)
        {
            bool isRoot = authority.SubjectName.RawData.AsSpan().SequenceEqual(authority.IssuerName.RawData);
            (isRoot ? _roots : _intermediates).Add(authority);
        }
        _revoked = revoked;
    }

    /// <summary>Reads the authorities.</summary>
    /// <param name="authorityFile">Their certificates, PEM.</param>
    /// <param name="revocationFile">Lists of revoked certificates, PEM or DER; null for none.</param>
    /// <exception cref="UserError">A file cannot be read, or is not what it must be.</exception>
    public static PeerTrust Read(string authorityFile, string? revocationFile)
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPem(File.ReadAllText(authorityFile));
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{authorityFile} has no certificates of authorities to trust: {e.Message}", e);
        }
        if (authorities.Count == 0)
            throw new UserError($"{authorityFile} has no certificate in PEM form.");
        var trust = new PeerTrust(authorities, revocationFile is null ? [] : RevokedSerials.Read(revocationFile, authorities));
        return trust._roots.Count > 0
            ? trust
            : throw new UserError($"{authorityFile} has no certificate of a root, which is issued by itself: add it.");
    }

    /// <summary>Judges a connector.</summary>
    /// <param name="certificates">What it shows, its own first.</param>
    /// <param name="now">The time.</param>
    /// <param name="uid">The common name of its certificate, if it is believed.</param>
    /// <returns>Why it is not believed; null if it is.</returns>
    public string? CheckConnector(IReadOnlyList<byte[]> certificates, DateTimeOffset now, out string uid)
    {
        uid = "";
        if (Check(certificates, ClientPurpose, now, out X509Certificate2? own) is { } refusal)
            return refusal;
        uid = CommonNameOf(own!) ?? "";
        return Kedge.Protocol.Warp.Uid.IsValid(uid) ? null : "its certificate has no common name that could be a uid";
    }

    /// <summary>Judges a listener.</summary>
    /// <param name="certificates">What it shows, its own first.</param>
    /// <param name="serverName">The name or address that it must be certified for.</param>
    /// <param name="now">The time.</param>
    /// <returns>Why it is not believed; null if it is.</returns>
    public string? CheckListener(IReadOnlyList<byte[]> certificates, string serverName, DateTimeOffset now)
    {
        if (Check(certificates, ServerPurpose, now, out X509Certificate2? own) is { } refusal)
            return refusal;
        return own!.MatchesHostname(serverName, allowWildcards: true, allowCommonName: false)
            ? null
            : $"its certificate is not for {serverName}";
    }

    /// <summary>The common name of a certificate's subject; null if it has none.</summary>
    public static string? CommonNameOf(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return certificate.SubjectName.EnumerateRelativeDistinguishedNames()
            .Where(name => !name.HasMultipleElements && name.GetSingleElementType().Value == CommonName)
            .Select(name => name.GetSingleElementValue())
            .LastOrDefault();
    }

    private string? Check(IReadOnlyList<byte[]> certificates, string purpose, DateTimeOffset now, out X509Certificate2? own)
    {
        own = null;
        if (certificates.Count == 0)
            return "it shows no certificate";
        try
        {
            own = X509CertificateLoader.LoadCertificate(certificates[0]);
            using var chain = new X509Chain { ChainPolicy = PlatformTrust.None() }; // what is revoked, the lists below say
            X509ChainPolicy policy = chain.ChainPolicy;
            policy.VerificationTime = now.UtcDateTime;
            policy.VerificationTimeIgnored = false;
            policy.CustomTrustStore.AddRange(_roots);
            policy.ExtraStore.AddRange(_intermediates);
            for (int i = 1; i < certificates.Count; i++)
                policy.ExtraStore.Add(X509CertificateLoader.LoadCertificate(certificates[i]));
            policy.ApplicationPolicy.Add(new Oid(purpose));
            if (!chain.Build(own))
                return Explain(own, chain, now);
            foreach (X509ChainElement element in chain.ChainElements)
            {
                if (_revoked.Any(list => list.Revokes(element.Certificate)))
                    return element.Certificate.Equals(own) ? "its certificate was revoked" : "an authority of its certificate was revoked";
            }
            return null;
        }
        catch (CryptographicException)
        {
            return "its certificate cannot be read";
        }
    }

    private static string Explain(X509Certificate2 own, X509Chain chain, DateTimeOffset now)
    {
        X509ChainStatusFlags flags = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status);
        if (now < own.NotBefore)
            return "its certificate is not valid yet";
        if (now > own.NotAfter)
            return $"its certificate expired on {own.NotAfter.ToUniversalTime():yyyy-MM-dd}";
        if ((flags & (X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot)) != 0)
            return "its certificate is not of an authority that is trusted here";
        return (flags & X509ChainStatusFlags.NotValidForUsage) != 0
            ? "its certificate is for another purpose"
            : $"its certificate is not valid ({flags})";
    }
}
