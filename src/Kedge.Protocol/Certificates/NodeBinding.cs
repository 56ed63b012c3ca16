using System.Formats.Asn1;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Certificates;

/// <summary>The contents of the extension <see cref="ObjectIdentifiers.KedgeNode"/>; <see cref="NodeCertificate"/> has its syntax.</summary>
internal sealed record NodeBinding(
    Sha256Digest NetworkId, Guid ZoneId, PublicKey WireGuardKey, Sha256Digest? RosenpassKeyHash, IReadOnlyList<string> Tags)
{
    private const int ZoneSize = 16;
    private static readonly Asn1Tag RosenpassTag = new(TagClass.ContextSpecific, 0);
    private static readonly Asn1Tag TagsTag = new(TagClass.ContextSpecific, 1, isConstructed: true);

    /// <summary>Reads the extension's value.</summary>
    /// <exception cref="AsnContentException">It has another syntax.</exception>
    /// <exception cref="RefusedException">It has other lengths, or tags that cannot be.</exception>
    public static NodeBinding Read(AsnReader reader)
    {
        AsnReader fields = reader.ReadSequence();
        reader.ThrowIfNotEmpty();
        var network = Sha256Digest.FromBytes(ReadOctets(fields, Asn1Tag.PrimitiveOctetString, Sha256Digest.Size));
        var zone = new Guid(ReadOctets(fields, Asn1Tag.PrimitiveOctetString, ZoneSize), bigEndian: true);
        var wireGuardKey = PublicKey.FromBytes(ReadOctets(fields, Asn1Tag.PrimitiveOctetString, PublicKey.Size));
        Sha256Digest? rosenpass = fields.HasData && fields.PeekTag() == RosenpassTag
            ? Sha256Digest.FromBytes(ReadOctets(fields, RosenpassTag, Sha256Digest.Size))
            : null;
        IReadOnlyList<string> tags = fields.HasData ? ReadTags(fields) : [];
        fields.ThrowIfNotEmpty();
        return new(network, zone, wireGuardKey, rosenpass, tags);
    }

    /// <summary>Writes the extension's value.</summary>
    public void Write(AsnWriter writer)
    {
        using AsnWriter.Scope fields = writer.PushSequence();
        writer.WriteOctetString(NetworkId.ToArray());
        writer.WriteOctetString(ZoneId.ToByteArray(bigEndian: true));
        writer.WriteOctetString(WireGuardKey.ToArray());
        if (RosenpassKeyHash is { } hash)
            writer.WriteOctetString(hash.ToArray(), RosenpassTag);
        if (Tags.Count == 0)
            return;
        using AsnWriter.Scope tags = writer.PushSequence(TagsTag);
        foreach (string tag in Tags)
            writer.WriteCharacterString(UniversalTagNumber.UTF8String, tag);
    }

    private static byte[] ReadOctets(AsnReader reader, Asn1Tag tag, int size)
    {
        byte[] octets = reader.ReadOctetString(tag);
        return octets.Length == size ? octets : throw new RefusedException(CertificateRefusal.BadExtension);
    }

    private static List<string> ReadTags(AsnReader fields)
    {
        AsnReader reader = fields.ReadSequence(TagsTag);
        List<string> tags = [];
        while (reader.HasData)
        {
            string tag = reader.ReadCharacterString(UniversalTagNumber.UTF8String);
            bool inOrder = tags.Count == 0 || string.CompareOrdinal(tags[^1], tag) < 0;
            if (!CommonName.IsName(tag) || !inOrder || tags.Count == NodeSubject.MaximumTags)
                throw new RefusedException(CertificateRefusal.BadExtension);
            tags.Add(tag);
        }
        return tags.Count > 0 ? tags : throw new RefusedException(CertificateRefusal.BadExtension);
    }
}
