using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Serialization;
using Kedge.Control.Pki;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Commands.Ca;

/// <summary>What a certificate or a revocation list says; what does not apply is null. Signatures are not checked for this.</summary>
internal sealed record CertificateDescription
{
    /// <summary>
    /// <c>node</c>, <c>master</c>, <c>issuer</c>, <c>other</c> (a certificate that is none of these), <c>revocationList</c>, <c>request</c>.
    /// </summary>
    public required string Kind { get; init; }

    public string? Name { get; init; }

    public string? Issuer { get; init; }

    public string? Serial { get; init; }

    public string? NetworkId { get; init; }

    public Guid? ZoneId { get; init; }

    public IReadOnlyList<string>? Addresses { get; init; }

    /// <summary>All that the node may send from, the addresses too; of a request, the networks behind the node alone.</summary>
    public IReadOnlyList<string>? Prefixes { get; init; }

    public IReadOnlyList<string>? Tags { get; init; }

    public string? WireGuardKey { get; init; }

    public string? RosenpassKeyHash { get; init; }

    /// <summary>SHA-256 of the key's SubjectPublicKeyInfo, base64url: of a server authority, the pin in join lines.</summary>
    public string? KeyHash { get; init; }

    public DateTimeOffset? NotBefore { get; init; }

    public DateTimeOffset? NotAfter { get; init; }

    public string? Fingerprint { get; init; }

    /// <summary>Why Kedge would not take it for a node's or an authority's; of a request, why nobody would sign it.</summary>
    public string? Refusal { get; init; }

    /// <summary>Whether the revocation list in the same folder has it.</summary>
    public bool? Revoked { get; init; }

    /// <summary>The CRL number.</summary>
    public long? Number { get; init; }

    public DateTimeOffset? MadeAt { get; init; }

    public IReadOnlyList<RevokedDescription>? RevokedCertificates { get; init; }

    /// <summary>Describes all that is in a file: certificates and revocation lists in PEM, a certificate in DER, or a node's request.</summary>
    /// <exception cref="UserError">It cannot be read, or there is something else in it.</exception>
    public static IReadOnlyList<CertificateDescription> ReadFile(string path)
    {
        byte[] contents = SecretFile.Read(path == "-" ? "/dev/stdin" : path);
        string text = Encoding.UTF8.GetString(contents);
        return NodeRequest.IsMeant(text)
            ? [Of(NodeRequest.Parse(path, text))]
            : [.. PemFile.Parse(path, contents).Select(item => Of(path, item))];
    }

    /// <summary>Describes a part of a file.</summary>
    /// <exception cref="UserError">It is no certificate and no revocation list.</exception>
    public static CertificateDescription Of(string file, PemItem item)
    {
        if (item.Label == "X509 CRL")
        {
            return RevocationList.TryParse(item.Der, out RevocationList? list, out CertificateRefusal reason)
                ? Of(list)
                : throw new UserError($"{file} has a revocation list that is not one of Kedge. {reason.Sentence()}");
        }
        if (item.Label != "CERTIFICATE")
            throw new UserError($"{file} has a {item.Label}; certificates and revocation lists can be shown.");
        if (NodeCertificate.TryParse(item.Der, out NodeCertificate? node, out CertificateRefusal notNode))
            return Of(node);
        if (AuthorityCertificate.TryParse(item.Der, out AuthorityCertificate? authority, out CertificateRefusal notAuthority))
            return Of(authority);
        // An authority is refused as a node for its usage alone; anything else is wrong with it as the one that it is meant to be.
        return Other(file, item.Der, notAuthority == CertificateRefusal.WrongUsage ? notNode : notAuthority);
    }

    public static CertificateDescription Of(NodeCertificate node) => new()
    {
        Kind = "node",
        Name = node.Name,
        Issuer = node.IssuerName,
        Serial = node.Serial.ToString(),
        NetworkId = node.NetworkId.ToString(),
        ZoneId = node.ZoneId,
        Addresses = [.. node.Addresses.Select(address => address.ToString())],
        Prefixes = [.. node.Prefixes.Select(prefix => prefix.ToString())],
        Tags = node.Tags,
        WireGuardKey = node.WireGuardKey.ToString(),
        RosenpassKeyHash = node.RosenpassKeyHash?.ToString(),
        KeyHash = node.IdentityKey?.Hash.ToString(),
        NotBefore = node.NotBefore,
        NotAfter = node.NotAfter,
        Fingerprint = node.Fingerprint.ToString(),
    };

    public static CertificateDescription Of(AuthorityCertificate authority) => new()
    {
        Kind = authority.IsMaster ? "master" : "issuer",
        Name = authority.Name,
        Issuer = authority.IssuerName,
        Serial = authority.Serial.ToString(),
        NetworkId = authority.NetworkId.ToString(),
        Prefixes = [.. authority.AddressBlocks.Prefixes.Select(prefix => prefix.ToString())],
        KeyHash = authority.Key.Hash.ToString(),
        NotBefore = authority.NotBefore,
        NotAfter = authority.NotAfter,
        Fingerprint = authority.Fingerprint.ToString(),
    };

    public static CertificateDescription Of(RevocationList list) => new()
    {
        Kind = "revocationList",
        Issuer = list.IssuerName,
        Number = list.Number,
        MadeAt = list.ThisUpdate,
        RevokedCertificates = [.. list.Entries.Select(entry => new RevokedDescription(entry.Serial.ToString(), entry.RevokedAt))],
    };

    public static CertificateDescription Of(NodeRequest request)
    {
        P256PublicKey? key = Bytes(request.IdentityKey) is { } der && P256PublicKey.TryParse(der, out P256PublicKey? read) ? read : null;
        return new()
        {
            Kind = "request",
            Name = request.Name,
            NetworkId = request.NetworkId,
            Addresses = request.Addresses,
            Prefixes = request.ChildPrefixes,
            WireGuardKey = request.WireGuardKey,
            RosenpassKeyHash = Bytes(request.RosenpassKeyHash) is { Length: Sha256Digest.Size } hash
                ? Sha256Digest.FromBytes(hash).ToString()
                : request.RosenpassKeyHash,
            KeyHash = key?.Hash.ToString(),
            Refusal = key is not null && request.IsSigned(key) ? null : "Its identity key has not signed its other keys and the network: it was changed.",
        };
    }

    private static byte[]? Bytes(string base64)
    {
        byte[] bytes = new byte[base64.Length];
        return Convert.TryFromBase64String(base64, bytes, out int length) ? bytes[..length] : null;
    }

    private static CertificateDescription Other(string file, byte[] der, CertificateRefusal refusal)
    {
        try
        {
            using X509Certificate2 certificate = X509CertificateLoader.LoadCertificate(der);
            return new()
            {
                Kind = "other",
                Name = certificate.Subject,
                Issuer = certificate.Issuer,
                Serial = certificate.SerialNumber.ToLowerInvariant(),
                KeyHash = Sha256Digest.Of(certificate.PublicKey.ExportSubjectPublicKeyInfo()).ToString(),
                NotBefore = certificate.NotBefore.ToUniversalTime(),
                NotAfter = certificate.NotAfter.ToUniversalTime(),
                Fingerprint = Sha256Digest.Of(der).ToString(),
                Refusal = refusal.Sentence(),
            };
        }
        catch (CryptographicException e)
        {
            throw new UserError($"{file} is no certificate. {refusal.Sentence()}", e);
        }
    }
}

/// <summary>An entry of a revocation list.</summary>
internal sealed record RevokedDescription(string Serial, DateTimeOffset RevokedAt);

/// <summary>How descriptions are written as JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(IReadOnlyList<CertificateDescription>))]
internal sealed partial class CertificateJson : JsonSerializerContext;
