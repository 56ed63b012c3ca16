using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Kedge.Protocol.Certificates;

/// <summary>
/// What certificates and revocation lists share (RFC 5280 sections 4.1.1 and 5.1.1): something to be signed, the algorithm, the signature.
/// </summary>
internal sealed class SignedStructure
{
    private readonly byte[] _signature = new byte[EcdsaSignature.Size];

    private SignedStructure(ReadOnlyMemory<byte> content) => Content = content;

    /// <summary>What is signed: the DER form of TBSCertificate or TBSCertList.</summary>
    public ReadOnlyMemory<byte> Content { get; }

    /// <summary>Reads the outermost structure. The signature itself is not checked.</summary>
    /// <exception cref="AsnContentException">It is none, or something follows it.</exception>
    /// <exception cref="RefusedException">It is signed by another algorithm.</exception>
    public static SignedStructure Read(ReadOnlyMemory<byte> der)
    {
        var reader = new AsnReader(der, AsnEncodingRules.DER);
        AsnReader fields = reader.ReadSequence();
        reader.ThrowIfNotEmpty();
        var structure = new SignedStructure(fields.PeekEncodedValue());
        _ = fields.ReadSequence();
        ReadAlgorithm(fields);
        byte[] signature = fields.ReadBitString(out int unused);
        fields.ThrowIfNotEmpty();
        if (unused != 0 || !EcdsaSignature.TryReadDer(signature, structure._signature))
            throw new RefusedException(CertificateRefusal.Malformed);
        return structure;
    }

    /// <summary>Reads an AlgorithmIdentifier that must be ecdsa-with-SHA256, without parameters (RFC 5758 section 3.2).</summary>
    /// <exception cref="RefusedException">It is another one.</exception>
    public static void ReadAlgorithm(AsnReader reader)
    {
        AsnReader algorithm = reader.ReadSequence();
        if (algorithm.ReadObjectIdentifier() != ObjectIdentifiers.EcdsaWithSha256 || algorithm.HasData)
            throw new RefusedException(CertificateRefusal.UnsupportedAlgorithm);
    }

    /// <summary>Writes the AlgorithmIdentifier of ecdsa-with-SHA256.</summary>
    public static void WriteAlgorithm(AsnWriter writer)
    {
        using AsnWriter.Scope algorithm = writer.PushSequence();
        writer.WriteObjectIdentifier(ObjectIdentifiers.EcdsaWithSha256);
    }

    /// <summary>Signs <paramref name="content"/> and puts all three parts together.</summary>
    public static byte[] Sign(AsnWriter content, ECDsa key)
    {
        byte[] signed = content.Encode();
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteEncodedValue(signed);
            WriteAlgorithm(writer);
            writer.WriteBitString(key.SignData(signed, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        }
        return writer.Encode();
    }

    /// <summary>Whether <paramref name="key"/> made the signature.</summary>
    public bool IsSignedBy(P256PublicKey key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Content.Span, hash);
        return key.IsSignature(hash, _signature);
    }
}
