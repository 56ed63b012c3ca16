namespace Kedge.Protocol.Certificates;

/// <summary>The object identifiers of Kedge's certificates.</summary>
public static class ObjectIdentifiers
{
    /// <summary>
    /// Everything that Kedge names itself lies under this arc, which is a UUID's (ITU-T X.667 section 7) and therefore nobody else's:
    /// 81369dbe-295f-4c39-bb49-be2dfbf7db9d.
    /// </summary>
    public const string KedgeArc = "2.25.171753994891077772639363634816641129373";

    /// <summary>The extension of a node's certificate that binds network, zone, keys and tags. See <see cref="NodeCertificate"/>.</summary>
    public const string KedgeNode = KedgeArc + ".1";

    /// <summary>The extension of an authority's certificate that names the network: an OCTET STRING of 32 bytes.</summary>
    public const string KedgeNetwork = KedgeArc + ".2";

    internal const string EcdsaWithSha256 = "1.2.840.10045.4.3.2"; // RFC 5758 section 3.2
    internal const string X25519 = "1.3.101.110"; // RFC 8410 section 3
    internal const string CommonName = "2.5.4.3";
    internal const string SubjectKeyIdentifier = "2.5.29.14";
    internal const string KeyUsage = "2.5.29.15";
    internal const string SubjectAlternativeName = "2.5.29.17";
    internal const string BasicConstraints = "2.5.29.19";
    internal const string RevocationListNumber = "2.5.29.20";
    internal const string AuthorityKeyIdentifier = "2.5.29.35";
    internal const string ExtendedKeyUsage = "2.5.29.37";
    internal const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    internal const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    internal const string AddressBlocks = "1.3.6.1.5.5.7.1.7"; // id-pe-ipAddrBlocks, RFC 3779 section 2.2.1
}
