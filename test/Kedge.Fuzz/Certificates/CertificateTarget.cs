using System.Security.Cryptography.X509Certificates;
using Kedge.Protocol.Certificates;

namespace Kedge.Fuzz.Certificates;

/// <summary>
/// Certificates of nodes and authorities, as they come out of a stranger's map or TLS handshake. Signatures are not checked by the parser,
/// so what mutation makes of an accepted one is often accepted too: then the base library must read the same in it.
/// </summary>
public sealed class CertificateTarget : Target
{
    public override string Name => "certificate";

    public override int MaximumLength => 1500;

    public override int ShortRun => 8_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } = DerWords.All;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        bool isNode = NodeCertificate.TryParse(input, out NodeCertificate? node, out CertificateRefusal notNode);
        bool isAuthority = AuthorityCertificate.TryParse(input, out AuthorityCertificate? authority, out CertificateRefusal notAuthority);
        trace.Note(1, isNode ? -1 : (int)notNode);
        trace.Note(2, isAuthority ? -1 : (int)notAuthority);
        Invariant.Equal(isNode, node is not null, "a node's certificate is there when it is accepted");
        Invariant.Equal(isAuthority, authority is not null, "an authority's certificate is there when it is accepted");
        Invariant.Holds(!(isNode && isAuthority), "nobody is a node and an authority by one certificate");
        if (node is not null)
            Check(input, node, trace);
        else if (authority is not null)
            Check(input, authority, trace);
    }

    private static void Check(ReadOnlySpan<byte> input, NodeCertificate node, Trace trace)
    {
        trace.Note(3, node.Tags.Count);
        trace.Note(4, node.Prefixes.Count);
        trace.Note(5, node.IdentityKey is null ? 0 : 1);
        using X509Certificate2 theirs = X509CertificateLoader.LoadCertificate(input);
        Same(theirs, node.Der.Span, input, node.Serial, node.NotBefore, node.NotAfter, node.Name);
        Invariant.Holds(node.Addresses.Count is 1 or 2, "a node has an address, or one of each family");
        Invariant.Holds(
            node.Addresses.All(address => node.Prefixes.Any(prefix => prefix.Contains(address))), "a node's own addresses are among those it is certified for");
        Invariant.Holds(node.CheckPrefixes(node.Prefixes) is null, "a node may announce what it is certified for");
        if (node.IdentityKey is { } key)
        {
            Invariant.Equal(
                Convert.ToHexString(theirs.PublicKey.ExportSubjectPublicKeyInfo()), Convert.ToHexString(key.SubjectPublicKeyInfo), "the key is the one in it");
            // A point that is not on the curve would throw here.
            Invariant.Holds(!key.IsSignatureOf(new byte[32], []), "nothing is no signature");
        }
    }

    private static void Check(ReadOnlySpan<byte> input, AuthorityCertificate authority, Trace trace)
    {
        trace.Note(6, authority.PathLength ?? -1);
        trace.Note(7, authority.IsMaster ? 1 : 0);
        using X509Certificate2 theirs = X509CertificateLoader.LoadCertificate(input);
        Same(theirs, authority.Der.Span, input, authority.Serial, authority.NotBefore, authority.NotAfter, authority.Name);
        X509BasicConstraintsExtension constraints = theirs.Extensions.OfType<X509BasicConstraintsExtension>().Single();
        Invariant.Holds(constraints.CertificateAuthority, "an authority is one for everybody");
        Invariant.Equal(constraints.HasPathLengthConstraint ? constraints.PathLengthConstraint : null, authority.PathLength, "the path length is the one in it");
        var trust = NetworkTrust.Create(authority.NetworkId, [input.ToArray()], []);
        Invariant.Equal(1, trust.Authorities.Count() + trust.Refused.Count, "an authority is believed, or it is said why not");
    }

    private static void Same(
        X509Certificate2 theirs, ReadOnlySpan<byte> der, ReadOnlySpan<byte> input, SerialNumber serial, DateTimeOffset notBefore, DateTimeOffset notAfter, string name)
    {
        Invariant.Holds(der.SequenceEqual(input), "the certificate is what was given");
        Invariant.Equal(Convert.ToHexString(theirs.SerialNumberBytes.Span), Convert.ToHexString(serial.ToArray()), "the serial number is the one in it");
        Invariant.Equal(theirs.NotBefore.ToUniversalTime(), notBefore.UtcDateTime, "the first second is the one in it");
        Invariant.Equal(theirs.NotAfter.ToUniversalTime(), notAfter.UtcDateTime, "the last second is the one in it");
        Invariant.Equal(theirs.GetNameInfo(X509NameType.SimpleName, forIssuer: false), name, "the name is the one in it");
        Invariant.Holds(!name.Any(char.IsControl), "a name can be shown");
    }
}
