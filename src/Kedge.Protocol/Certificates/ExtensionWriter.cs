using System.Formats.Asn1;

namespace Kedge.Protocol.Certificates;

/// <summary>Writes the extensions of a certificate or revocation list (RFC 5280 section 4.2).</summary>
internal sealed class ExtensionWriter(AsnWriter writer)
{
    /// <summary>Writes an extension around what <paramref name="writeValue"/> writes.</summary>
    public void Write(string identifier, Action<AsnWriter> writeValue, bool isCritical = false)
    {
        using AsnWriter.Scope extension = writer.PushSequence();
        writer.WriteObjectIdentifier(identifier);
        if (isCritical)
            writer.WriteBoolean(true);
        using AsnWriter.Scope value = writer.PushOctetString();
        writeValue(writer);
    }

    /// <summary>Writes the key usage.</summary>
    public void WriteKeyUsage(KeyUsage usage) =>
        Write(ObjectIdentifiers.KeyUsage, value => value.WriteNamedBitList(usage), isCritical: true);

    /// <summary>Writes the identifier of the issuer's key.</summary>
    public void WriteAuthorityKeyIdentifier(string identifier) => Write(ObjectIdentifiers.AuthorityKeyIdentifier, value =>
    {
        using AsnWriter.Scope fields = value.PushSequence();
        value.WriteOctetString(Convert.FromHexString(identifier), Extensions.KeyIdentifierTag);
    });

    /// <summary>Writes the address blocks.</summary>
    public void WriteAddressBlocks(AddressBlocks blocks) => Write(ObjectIdentifiers.AddressBlocks, blocks.Write);
}
