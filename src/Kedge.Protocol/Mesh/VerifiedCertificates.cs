using System.Buffers.Binary;
using System.Collections.Concurrent;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// Remembers which certificates were found good, because checking a signature takes a thousand times as long as looking it up, and maps
/// come again. Dates are not remembered: they are looked at each time. Any thread; many nodes of one process may share one.
/// </summary>
public sealed class VerifiedCertificates
{
    /// <summary>How many certificates are remembered; one more, and all are forgotten. A hostile map could name any number.</summary>
    private const int MaximumCount = 1 << 16;

    private const int MaximumTrusts = 16;

    private readonly ConcurrentDictionary<Sha256Digest, Verified> _certificates = [];
    private readonly ConcurrentDictionary<Sha256Digest, NetworkTrust> _trusts = [];

    /// <summary>Adds what a map says to what is believed already: the same object for the same certificates and lists.</summary>
    /// <param name="known">What is believed already; see <see cref="NetworkTrust.Empty"/> and <see cref="NetworkTrust.Merge"/>.</param>
    /// <param name="trust">What the map says.</param>
    public NetworkTrust Merge(NetworkTrust known, TrustResource trust)
    {
        Span<byte> digests = new byte[Sha256Digest.Size * (2 + trust.Authorities.Count + trust.RevocationLists.Count)];
        known.Digest.CopyTo(digests);
        int end = 2 * Sha256Digest.Size; // zeros stand between authorities and lists
        foreach (byte[] der in trust.Authorities)
            end = Append(digests, end, der);
        BinaryPrimitives.WriteInt32BigEndian(digests[Sha256Digest.Size..], trust.Authorities.Count);
        foreach (byte[] der in trust.RevocationLists)
            end = Append(digests, end, der);
        if (_trusts.Count >= MaximumTrusts)
            _trusts.Clear();
        return _trusts.GetOrAdd(
            Sha256Digest.Of(digests),
            static (_, of) => of.known.Merge(of.trust.Authorities, of.trust.RevocationLists),
            (known, trust));
    }

    /// <summary>Reads a certificate and checks all but its dates.</summary>
    /// <param name="der">The certificate.</param>
    /// <param name="trust">Whom to believe.</param>
    /// <param name="zone">The zone it must be for.</param>
    /// <param name="certificate">The certificate as far as it could be read.</param>
    /// <returns>Null where it is good.</returns>
    public CertificateRefusal? Verify(ReadOnlyMemory<byte> der, NetworkTrust trust, Guid zone, out NodeCertificate? certificate)
    {
        Sha256Digest fingerprint = Sha256Digest.Of(der.Span);
        bool isKnown = _certificates.TryGetValue(fingerprint, out Verified? known);
        certificate = known?.Certificate;
        if (isKnown && known!.Trust == trust && known.Zone == zone)
            return known.Refusal;
        if (certificate is null && !NodeCertificate.TryParse(der.Span, out certificate, out CertificateRefusal unreadable))
            return unreadable;
        CertificateRefusal? refusal = trust.VerifyIgnoringDates(certificate, zone);
        if (_certificates.Count >= MaximumCount)
            _certificates.Clear();
        _certificates[fingerprint] = new Verified(certificate, trust, zone, refusal);
        return refusal;
    }

    private static int Append(Span<byte> digests, int end, ReadOnlySpan<byte> der)
    {
        Sha256Digest.Of(der).CopyTo(digests[end..]);
        return end + Sha256Digest.Size;
    }

    private sealed record Verified(NodeCertificate Certificate, NetworkTrust Trust, Guid Zone, CertificateRefusal? Refusal);
}
