using System.Security.Cryptography;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Control.Pki;

/// <summary>
/// The files of an authority that can be replaced by a new one: <c>NAME.key</c>, and <c>NAME.pem</c>, which has the present certificate first
/// and behind it those that the overlap with former ones needs. A new key waits in <c>NAME.next.key</c>; the certificates decide which key
/// is in force, so a crash leaves one authority or the other, and never half of each.
/// </summary>
/// <param name="folder">The folder of the keys.</param>
/// <param name="name">The files' name, such as <c>issuer</c>.</param>
internal sealed class AuthorityFiles(string folder, string name)
{
    /// <summary>The file of the certificates.</summary>
    public string CertificateFile => Path.Combine(folder, name + ".pem");

    private string KeyFile => Path.Combine(folder, name + ".key");

    private string NextKeyFile => Path.Combine(folder, name + ".next.key");

    /// <summary>Whether there is an authority.</summary>
    public bool Exist => File.Exists(CertificateFile);

    /// <summary>The certificates, DER: the present one, and what is kept of former ones.</summary>
    /// <exception cref="UserError">They cannot be read.</exception>
    public IReadOnlyList<byte[]> ReadCertificates() => SecretFile.ReadCertificates(CertificateFile);

    /// <summary>The key in force, which the caller disposes.</summary>
    /// <param name="certified">The key of the present certificate.</param>
    /// <exception cref="UserError">It cannot be read, or is another one.</exception>
    public ECDsa ReadKey(P256PublicKey certified)
    {
        if (File.Exists(NextKeyFile))
        {
            using ECDsa next = SecretFile.ReadKey(NextKeyFile);
            if (P256PublicKey.Of(next).Equals(certified))
                SecretFile.Move(NextKeyFile, KeyFile);
        }
        ECDsa key = SecretFile.ReadKey(KeyFile);
        if (P256PublicKey.Of(key).Equals(certified))
            return key;
        key.Dispose();
        throw new UserError($"{KeyFile} is not the key of {CertificateFile}. Restore both from one backup: kedge controller restore FILE");
    }

    /// <summary>Writes a key and its certificates, in place of those that are there.</summary>
    /// <param name="key">The key; stays the caller's.</param>
    /// <param name="certificates">Its certificate, and behind it what is kept of former ones, DER.</param>
    /// <exception cref="UserError">They cannot be written.</exception>
    public void Replace(ECDsa key, IEnumerable<ReadOnlyMemory<byte>> certificates)
    {
        SecretFile.WriteKey(NextKeyFile, key);
        SecretFile.WriteCertificates(CertificateFile, certificates);
        SecretFile.Move(NextKeyFile, KeyFile);
    }
}
