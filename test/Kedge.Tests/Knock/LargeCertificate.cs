using Kedge.Protocol.Certificates;
using Kedge.Tests.Certificates;

namespace Kedge.Tests.Knock;

/// <summary>Certificates of exactly a size.</summary>
internal static class LargeCertificate
{
    /// <summary>The parts of a certificate of a node.</summary>
    public static CertificateForge ForgeOf(TestNetwork network, KnockNode node) => CertificateForge.Node(network)
        .Replace(ObjectIdentifiers.KedgeNode, Der.Sequence(
            Der.Octets(network.Id.ToArray()),
            Der.Octets(TestNetwork.Zone.ToByteArray(bigEndian: true)),
            Der.Octets(node.PublicKey.ToArray())));

    /// <summary>Makes a good one of a node, filled up with an extension that nobody knows and that may be ignored.</summary>
    public static byte[] Make(TestNetwork network, KnockNode node, int size)
    {
        int filling = size - 700;
        while (true)
        {
            CertificateForge forge = ForgeOf(network, node);
            forge.Extensions.Add(("1.3.6.1.4.1.32473.1", false, Der.Octets(new byte[Math.Max(filling, 1)])));
            byte[] certificate = forge.Sign(network.IssuerKey); // a signature has one of several lengths
            if (certificate.Length == size)
                return certificate;
            filling += size - certificate.Length;
        }
    }
}
