using System.Security.Cryptography.X509Certificates;

namespace Kedge.Node.Connecting;

/// <summary>What the platform may say of certificates, where this program decides by itself.</summary>
public static class PlatformTrust
{
    /// <summary>A policy by which the platform believes in no authority of its own, and asks nobody on the way.</summary>
    public static X509ChainPolicy None() => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        RevocationMode = X509RevocationMode.NoCheck,
        DisableCertificateDownloads = true,
    };
}
