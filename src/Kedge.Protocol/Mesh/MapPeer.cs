using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Mesh;

/// <summary>A node of the zone as the map has it. Nothing in it has been verified: that is what the certificate is for.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Certificate">Its certificate, DER.</param>
/// <param name="FixedEndpoint">Where an administrator says that it can be reached; none for nothing said.</param>
public sealed record MapPeer(Guid Id, ReadOnlyMemory<byte> Certificate, Endpoint FixedEndpoint)
{
    /// <summary>The longest certificate that is taken, in bytes. One with a hundred prefixes is a tenth of it.</summary>
    public const int MaximumCertificate = 16384;
}
