using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Linux.Quic;
using Kedge.Protocol;
using Microsoft.Extensions.Logging;

namespace Kedge.Warp.Identity;

/// <summary>The certificate that one end of a warp shows, and whom it believes; as the files had it when they were read. Immutable.</summary>
public sealed class WarpIdentity
{
    private WarpIdentity(QuicCredentials credentials, PeerTrust trust, string uid) => (Credentials, Trust, Uid) = (credentials, trust, uid);

    /// <summary>What it shows.</summary>
    public QuicCredentials Credentials { get; }

    /// <summary>Whom it believes.</summary>
    public PeerTrust Trust { get; }

    /// <summary>The common name of its own certificate; empty if that has none.</summary>
    public string Uid { get; }

    /// <summary>Reads the files.</summary>
    /// <exception cref="UserError">One cannot be read, or they do not belong together; or QUIC is not installed.</exception>
    public static WarpIdentity Read(WarpIdentityFiles files)
    {
        ArgumentNullException.ThrowIfNull(files);
        byte[] certificate = ReadFile(files.Certificate, "certificate");
        byte[] key = ReadFile(files.Key, "key");
        try
        {
            string uid;
            try
            {
                using X509Certificate2 own = X509Certificate2.CreateFromPem(System.Text.Encoding.UTF8.GetString(certificate));
                uid = PeerTrust.CommonNameOf(own) ?? "";
            }
            catch (CryptographicException e)
            {
                throw new UserError($"{files.Certificate} has no certificate in PEM form: {e.Message}", e);
            }
            PeerTrust trust = PeerTrust.Read(files.Authorities, files.Revoked);
            return new WarpIdentity(new QuicCredentials(certificate, key), trust, uid);
        }
        catch (QuicException e)
        {
            throw new UserError($"{files.Certificate} and {files.Key} are not a certificate and its unencrypted key in PEM form: {e.Message}", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>Reads the files again, and logs how that went.</summary>
    /// <returns>Null if they cannot be used.</returns>
    internal static WarpIdentity? Reread(WarpIdentityFiles files, ILogger log)
    {
        try
        {
            WarpIdentity identity = Read(files);
            Log.CertificatesRead(log);
            return identity;
        }
        catch (UserError e)
        {
            Log.CertificatesUnreadable(log, e.Message);
            return null;
        }
    }

    private static byte[] ReadFile(string path, string what)
    {
        try
        {
            return PrivateFile.TryRead(path, out byte[]? contents)
                ? contents
                : throw new UserError($"There is no {what} at {path}.");
        }
        catch (LinuxException e)
        {
            throw new UserError($"The {what} cannot be read: {e.Message}.", e);
        }
    }
}

/// <summary>Where an end of a warp has its certificate from.</summary>
/// <param name="Certificate">Its certificate, PEM, with those that certify it behind it.</param>
/// <param name="Key">Its key, PEM, unencrypted.</param>
/// <param name="Authorities">The authorities that certify the other end, PEM.</param>
/// <param name="Revoked">Lists of revoked certificates, PEM or DER; null for none.</param>
public sealed record WarpIdentityFiles(string Certificate, string Key, string Authorities, string? Revoked);
