using System.Formats.Asn1;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Certificates;

/// <summary>The standard extensions of a node's certificate: how they are read and written.</summary>
internal static class NodeProfile
{
    private static readonly Asn1Tag IpAddressTag = new(TagClass.ContextSpecific, 7); // GeneralName, RFC 5280 section 4.2.1.6

    // SEQUENCE { SEQUENCE { id-X25519 }, BIT STRING } up to the key (RFC 8410 section 4).
    private static ReadOnlySpan<byte> X25519Header => [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x6E, 0x03, 0x21, 0x00];

    /// <summary>The SubjectPublicKeyInfo: the identity key, or the WireGuard key of a stock peer.</summary>
    public static byte[] SubjectPublicKeyInfo(NodeSubject subject) => subject.IdentityKey is { } identity
        ? identity.SubjectPublicKeyInfo.ToArray()
        : [.. X25519Header, .. subject.WireGuardKey.ToArray()];

    /// <summary>Reads the SubjectPublicKeyInfo.</summary>
    /// <returns>The identity key; null for a stock peer.</returns>
    /// <exception cref="RefusedException">It is neither a P-256 key nor the WireGuard key.</exception>
    public static P256PublicKey? ReadKey(ReadOnlySpan<byte> subjectPublicKeyInfo, PublicKey wireGuardKey)
    {
        if (P256PublicKey.TryParse(subjectPublicKeyInfo, out P256PublicKey? identity))
            return identity;
        if (!subjectPublicKeyInfo.StartsWith(X25519Header) || subjectPublicKeyInfo.Length != X25519Header.Length + PublicKey.Size)
            throw new RefusedException(CertificateRefusal.UnsupportedAlgorithm);
        return PublicKey.FromBytes(subjectPublicKeyInfo[X25519Header.Length..]) == wireGuardKey
            ? null
            : throw new RefusedException(CertificateRefusal.WrongKey);
    }

    /// <summary>Takes the basic constraints out, which a node need not have.</summary>
    /// <exception cref="RefusedException">They are an authority's.</exception>
    public static void RefuseAuthority(Extensions extensions)
    {
        if (!extensions.TryTake(ObjectIdentifiers.BasicConstraints, out ReadOnlyMemory<byte> value, out _))
            return;
        // The empty SEQUENCE is all that DER allows for "no authority".
        if (value.Span is not [0x30, 0x00])
            throw new RefusedException(CertificateRefusal.WrongUsage);
    }

    /// <summary>Takes the usages out: a node signs, and authenticates as client and server; a stock peer agrees on keys.</summary>
    /// <exception cref="RefusedException">They are others.</exception>
    public static void TakeUsages(Extensions extensions, bool isStockPeer)
    {
        extensions.TakeKeyUsage(isStockPeer ? KeyUsage.KeyAgreement : KeyUsage.DigitalSignature);
        if (isStockPeer)
            return;
        AsnReader reader = extensions.Take(ObjectIdentifiers.ExtendedKeyUsage);
        AsnReader purposes = reader.ReadSequence();
        reader.ThrowIfNotEmpty();
        HashSet<string> found = [];
        while (purposes.HasData)
            found.Add(purposes.ReadObjectIdentifier());
        if (!found.SetEquals([ObjectIdentifiers.ServerAuthentication, ObjectIdentifiers.ClientAuthentication]))
            throw new RefusedException(CertificateRefusal.WrongUsage);
    }

    /// <summary>Takes the node's own addresses out of the subject alternative name.</summary>
    /// <exception cref="RefusedException">There are none, two of one family, or other names.</exception>
    public static IReadOnlyList<IpAddress> TakeAddresses(Extensions extensions)
    {
        AsnReader reader = extensions.Take(ObjectIdentifiers.SubjectAlternativeName);
        AsnReader names = reader.ReadSequence();
        reader.ThrowIfNotEmpty();
        List<IpAddress> addresses = [];
        while (names.HasData)
        {
            if (names.PeekTag() != IpAddressTag || names.ReadOctetString(IpAddressTag) is not { Length: 4 or 16 } bytes)
                throw new RefusedException(CertificateRefusal.BadExtension);
            addresses.Add(IpAddress.FromBytes(bytes));
        }
        return IsOneOfEachFamily(addresses) ? addresses : throw new RefusedException(CertificateRefusal.BadExtension);
    }

    /// <summary>Whether these can be a node's own addresses: one, or an IPv4 and an IPv6 address in this order.</summary>
    public static bool IsOneOfEachFamily(IReadOnlyList<IpAddress> addresses) =>
        addresses is [{ IsNone: false }] or [{ IsIPv4: true }, { IsIPv6: true }];

    /// <summary>Writes all extensions.</summary>
    public static void Write(ExtensionWriter extensions, NodeSubject subject, AddressBlocks blocks, NodeBinding binding, string issuerKeyIdentifier)
    {
        extensions.WriteAuthorityKeyIdentifier(issuerKeyIdentifier);
        extensions.WriteKeyUsage(subject.IdentityKey is null ? KeyUsage.KeyAgreement : KeyUsage.DigitalSignature);
        if (subject.IdentityKey is not null)
        {
            extensions.Write(ObjectIdentifiers.ExtendedKeyUsage, writer =>
            {
                using AsnWriter.Scope purposes = writer.PushSequence();
                writer.WriteObjectIdentifier(ObjectIdentifiers.ServerAuthentication);
                writer.WriteObjectIdentifier(ObjectIdentifiers.ClientAuthentication);
            });
        }
        extensions.Write(ObjectIdentifiers.SubjectAlternativeName, writer =>
        {
            using AsnWriter.Scope names = writer.PushSequence();
            Span<byte> bytes = stackalloc byte[16];
            foreach (IpAddress address in subject.SortedAddresses)
                writer.WriteOctetString(bytes[..address.CopyTo(bytes)], IpAddressTag);
        });
        extensions.WriteAddressBlocks(blocks);
        extensions.Write(ObjectIdentifiers.KedgeNode, binding.Write);
    }
}
