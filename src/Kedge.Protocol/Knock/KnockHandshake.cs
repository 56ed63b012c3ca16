using Kedge.Protocol.Certificates;
using Kedge.Protocol.Noise;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Knock;

/// <summary>What both halves of a knock have in common.</summary>
internal static class KnockHandshake
{
    /// <summary>The handshake's protocol.</summary>
    public static readonly NoiseProtocol Protocol = new("Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s"u8, "kedge knock 1"u8);

    /// <summary>How far clocks may be apart without being blamed for a certificate that is refused for its dates.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    /// <summary>
    /// What the keys are derived for by which the initiator asks for the rest of the responder's certificate. The keys of the finished
    /// handshake come too late: only then may it show its own.
    /// </summary>
    public static ReadOnlySpan<byte> PartLabel => "kedge knock part"u8;

    /// <summary>Decides whether a peer is admitted.</summary>
    /// <param name="admission">Says who may become a peer.</param>
    /// <param name="der">The peer's certificate.</param>
    /// <param name="proven">The static key that the peer holds.</param>
    /// <param name="own">This node's static key.</param>
    /// <param name="time">The time.</param>
    /// <param name="clockDifference">How far the peer's clock is ahead.</param>
    /// <param name="certificate">The certificate, as far as it could be read.</param>
    public static KnockRefusal Judge(
        IPeerAdmission admission,
        ReadOnlySpan<byte> der,
        PublicKey proven,
        PublicKey own,
        DateTimeOffset time,
        TimeSpan clockDifference,
        out NodeCertificate? certificate)
    {
        certificate = null;
        if (proven == own)
            return new KnockRefusal(KnockResult.Self);
        if (!NodeCertificate.TryParse(der, out certificate, out CertificateRefusal unreadable))
            return Refuse(unreadable, clockDifference);
        if (certificate.WireGuardKey != proven)
            return Refuse(CertificateRefusal.WrongKey, clockDifference);
        if (admission.Verify(certificate, time) is { } refusal)
            return Refuse(refusal, clockDifference);
        return new KnockRefusal(
            admission.IsTaken(certificate) ? KnockResult.AddressTaken : KnockResult.Accepted, ClockDifference: clockDifference);
    }

    private static KnockRefusal Refuse(CertificateRefusal refusal, TimeSpan clockDifference)
    {
        bool isForDates = refusal is CertificateRefusal.NotYetValid or CertificateRefusal.Expired or CertificateRefusal.IssuerNotValid;
        bool isForClocks = isForDates && clockDifference.Duration() > ClockTolerance;
        KnockResult result = isForClocks ? KnockResult.ClocksDiffer : KnockResult.CertificateRefused;
        return new KnockRefusal(result, Certificate: refusal, ClockDifference: clockDifference);
    }
}
