using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Control;

/// <summary>A machine that wants to join: its two keys, and the proofs that it makes with them.</summary>
internal sealed class Applicant
{
    private readonly byte[] _wireGuardKey = RandomNumberGenerator.GetBytes(32);

    /// <summary>A machine with keys of its own.</summary>
    public Applicant(string name)
    {
        Name = name;
        var publicKey = new byte[32];
        X25519.PublicKey(_wireGuardKey, publicKey);
        WireGuardKey = PublicKey.FromBytes(publicKey);
    }

    /// <summary>Another machine that was given the WireGuard key of <paramref name="other"/>.</summary>
    public Applicant(string name, Applicant other)
    {
        Name = name;
        _wireGuardKey = other._wireGuardKey;
        WireGuardKey = other.WireGuardKey;
    }

    public string Name { get; set; }

    public ECDsa IdentityKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public PublicKey WireGuardKey { get; set; }

    public EnrolmentRequest Request => new()
    {
        Name = Name,
        IdentityKey = Convert.ToBase64String(IdentityKey.ExportSubjectPublicKeyInfo()),
        WireGuardKey = WireGuardKey.ToString(),
    };

    /// <summary>The request with its proofs.</summary>
    public EnrolmentSubmission Submit(Network network, string? token, EnrolmentRequest request, EnrolmentChallenge? challenge = null)
    {
        challenge ??= network.Challenges.Create();
        var transcript = EnrolmentTranscript.OfSubmission(network.Authority.NetworkId.ToArray(), network.Pin.ToArray(), challenge, token, request);
        var proof = new byte[EnrolmentTranscript.ProofSize];
        Assert.True(transcript.TryProve(_wireGuardKey, Convert.FromBase64String(challenge.PublicKey), proof));
        return new EnrolmentSubmission(challenge.Id, request, Convert.ToBase64String(proof), Sign(transcript), token);
    }

    /// <summary>Joins, or comes back.</summary>
    public Task<EnrolmentResult> EnrolAsync(Network network, string? token, Func<EnrolmentRequest, EnrolmentRequest>? with = null) =>
        network.Enrolments.SubmitAsync(Submit(network, token, with is null ? Request : with(Request)), "192.0.2.1");

    /// <summary>Asks what has become of its request.</summary>
    public EnrolmentResult Inquire(Network network)
    {
        EnrolmentChallenge challenge = network.Challenges.Create();
        string key = Request.IdentityKey;
        var transcript = EnrolmentTranscript.OfInquiry(network.Authority.NetworkId.ToArray(), network.Pin.ToArray(), challenge, key);
        return network.Enrolments.Inquire(new EnrolmentInquiry(challenge.Id, key, Sign(transcript)));
    }

    /// <summary>The certificate of an answer, read.</summary>
    public static NodeCertificate Read(EnrolmentResult result)
    {
        Assert.True(NodeCertificate.TryParse(Convert.FromBase64String(result.Certificate!), out NodeCertificate? certificate, out CertificateRefusal refusal), refusal.ToString());
        return certificate;
    }

    private string Sign(EnrolmentTranscript transcript) =>
        Convert.ToBase64String(IdentityKey.SignHash(transcript.Hash, DSASignatureFormat.Rfc3279DerSequence));
}
