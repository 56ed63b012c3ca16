using System.Diagnostics.CodeAnalysis;

namespace Kedge.Protocol.Certificates;

/// <summary>Ends the reading of a certificate or revocation list. Thrown and caught inside this namespace; nobody else sees it.</summary>
[SuppressMessage("Design", "CA1064", Justification = "It does not leave the parsers.")]
[SuppressMessage("Design", "CA1032", Justification = "It always has a reason.")]
internal sealed class RefusedException(CertificateRefusal refusal) : Exception
{
    /// <summary>The reason.</summary>
    public CertificateRefusal Refusal { get; } = refusal;
}
