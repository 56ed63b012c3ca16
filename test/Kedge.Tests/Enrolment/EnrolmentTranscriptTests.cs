using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;

namespace Kedge.Tests.Enrolment;

/// <summary>What both ends of an enrolment hash: everything that was said, and nothing that could be read in two ways.</summary>
public sealed class EnrolmentTranscriptTests : IDisposable
{
    private static readonly byte[] Network = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
    private static readonly byte[] Pin = [.. Enumerable.Range(32, 32).Select(i => (byte)i)];

    private static readonly EnrolmentChallenge Challenge =
        new(new Guid("1b4e28ba-2fa1-11d2-883f-0016d3cca427"), Convert.ToBase64String(new byte[32]), DateTimeOffset.UnixEpoch);

    private static readonly EnrolmentRequest Request = new()
    {
        Name = "buoy-7",
        Zone = "default",
        IdentityKey = "MFkw",
        WireGuardKey = "AAAA",
        RosenpassKeyHash = "BBBB",
        RequestedAddresses = ["10.200.0.7"],
        ChildPrefixes = ["192.168.40.0/24"],
        Endpoints = [new("192.0.2.1:51820", "local")],
    };

    private readonly ECDsa _identity = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose() => _identity.Dispose();

    [Fact]
    public void Every_field_counts()
    {
        byte[] otherNetwork = [.. Network], otherPin = [.. Pin];
        otherNetwork[31] ^= 1;
        otherPin[0] ^= 1;
        string[] hashes =
        [
            Hash(),
            Hash(network: otherNetwork),
            Hash(pin: otherPin),
            Hash(challenge: Challenge with { Id = Guid.Empty }),
            Hash(challenge: Challenge with { PublicKey = "AA==" }),
            Hash(token: null),
            Hash(token: ""),
            Hash(token: "a.c"),
            Hash(Request with { Name = "buoy-8" }),
            Hash(Request with { Zone = null }),
            Hash(Request with { Zone = "" }),
            Hash(Request with { IdentityKey = "MFkx" }),
            Hash(Request with { WireGuardKey = "AAAB" }),
            Hash(Request with { RosenpassKeyHash = null }),
            Hash(Request with { RequestedAddresses = [] }),
            Hash(Request with { RequestedAddresses = ["10.200.0.8"] }),
            Hash(Request with { RequestedAddresses = ["10.200.0.7", "192.168.40.0/24"], ChildPrefixes = [] }),
            Hash(Request with { RequestedAddresses = [], ChildPrefixes = ["10.200.0.7", "192.168.40.0/24"] }),
            Hash(Request with { Endpoints = [] }),
            Hash(Request with { Endpoints = [new("192.0.2.1:51820", "fixed")] }),
            Hash(Request with { Endpoints = [new("192.0.2.1:51821", "local")] }),
            Hash(Request with { Ephemeral = true }),
            Hash(Request with { IsDefaultName = true }),
            Convert.ToHexString(EnrolmentTranscript.OfInquiry(Network, Pin, Challenge, Request.IdentityKey).Hash),
            Convert.ToHexString(EnrolmentTranscript.OfKeys(Network, Request.IdentityKey, Request.WireGuardKey, Request.RosenpassKeyHash).Hash),
        ];
        Assert.Equal(hashes.Length, hashes.Distinct().Count());
        Assert.Equal(hashes[0], Hash());
    }

    [Fact]
    public void Every_field_of_an_inquiry_counts()
    {
        string[] hashes =
        [
            .. ((EnrolmentTranscript[])[
                EnrolmentTranscript.OfInquiry(Network, Pin, Challenge, "a"),
                EnrolmentTranscript.OfInquiry(Pin, Pin, Challenge, "a"),
                EnrolmentTranscript.OfInquiry(Network, Network, Challenge, "a"),
                EnrolmentTranscript.OfInquiry(Network, Pin, Challenge with { Id = Guid.Empty }, "a"),
                EnrolmentTranscript.OfInquiry(Network, Pin, Challenge with { PublicKey = "" }, "a"),
                EnrolmentTranscript.OfInquiry(Network, Pin, Challenge, "b"),
            ]).Select(transcript => Convert.ToHexString(transcript.Hash)),
        ];
        Assert.Equal(hashes.Length, hashes.Distinct().Count());
    }

    [Fact]
    public void Every_field_of_a_nodes_keys_counts()
    {
        string[] hashes =
        [
            .. ((EnrolmentTranscript[])[
                EnrolmentTranscript.OfKeys(Network, "a", "b", "c"),
                EnrolmentTranscript.OfKeys(Pin, "a", "b", "c"),
                EnrolmentTranscript.OfKeys(Network, "x", "b", "c"),
                EnrolmentTranscript.OfKeys(Network, "a", "x", "c"),
                EnrolmentTranscript.OfKeys(Network, "a", "b", "x"),
                EnrolmentTranscript.OfKeys(Network, "a", "b", null),
                EnrolmentTranscript.OfKeys(Network, "ab", "", "c"),
            ]).Select(transcript => Convert.ToHexString(transcript.Hash)),
        ];
        Assert.Equal(hashes.Length, hashes.Distinct().Count());
    }

    [Fact]
    public void Both_ends_compute_the_same_proof_and_nobody_else_does()
    {
        (byte[] node, byte[] nodePublic) = NewX25519(1);
        (byte[] controller, byte[] controllerPublic) = NewX25519(2);
        (byte[] stranger, _) = NewX25519(3);
        EnrolmentTranscript transcript = Transcript();

        byte[] given = Prove(transcript, node, controllerPublic);

        Assert.Equal(given, Prove(transcript, controller, nodePublic));
        Assert.NotEqual(given, Prove(transcript, stranger, controllerPublic)); // who has the public key alone
        Assert.NotEqual(given, Prove(EnrolmentTranscript.OfSubmission(Network, Pin, Challenge, "a.c", Request), node, controllerPublic));
        (_, byte[] nextChallenge) = NewX25519(4);
        Assert.NotEqual(given, Prove(transcript, node, nextChallenge)); // the proof of another day
    }

    // RFC 7748 section 6.1: the agreement would be zero, whoever has the private key.
    [Fact]
    public void A_public_key_of_low_order_proves_nothing()
    {
        (byte[] controller, _) = NewX25519(2);
        byte[] one = new byte[32];
        one[0] = 1;
        Assert.False(Transcript().TryProve(controller, new byte[32], new byte[32]));
        Assert.False(Transcript().TryProve(controller, one, new byte[32]));
    }

    [Fact]
    public void A_signature_is_of_this_transcript_by_this_key()
    {
        P256PublicKey key = P256PublicKey.Of(_identity);
        EnrolmentTranscript transcript = Transcript();
        string signature = transcript.Sign(_identity);

        Assert.True(_identity.VerifyHash(transcript.Hash, Convert.FromBase64String(signature), DSASignatureFormat.Rfc3279DerSequence));
        Assert.True(transcript.IsSignedBy(key, signature));
        Assert.False(EnrolmentTranscript.OfInquiry(Network, Pin, Challenge, Request.IdentityKey).IsSignedBy(key, signature));
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.False(transcript.IsSignedBy(P256PublicKey.Of(other), signature));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("no base64!")]
    [InlineData("AAAA")]
    public void What_is_no_signature_is_none(string? signature)
    {
        Assert.False(Transcript().IsSignedBy(P256PublicKey.Of(_identity), signature));
        Assert.False(Transcript().IsSignedBy(P256PublicKey.Of(_identity), new string('A', 100_000)));
    }

    private static string Hash(
        EnrolmentRequest? request = null, byte[]? network = null, byte[]? pin = null, EnrolmentChallenge? challenge = null, string? token = "a.b") =>
        Convert.ToHexString(EnrolmentTranscript.OfSubmission(network ?? Network, pin ?? Pin, challenge ?? Challenge, token, request ?? Request).Hash);

    private static EnrolmentTranscript Transcript() => EnrolmentTranscript.OfSubmission(Network, Pin, Challenge, "a.b", Request);

    private static byte[] Prove(EnrolmentTranscript transcript, byte[] privateKey, byte[] publicKey)
    {
        byte[] proof = new byte[EnrolmentTranscript.ProofSize];
        Assert.True(transcript.TryProve(privateKey, publicKey, proof));
        return proof;
    }

    private static (byte[] Private, byte[] Public) NewX25519(int seed)
    {
        byte[] key = new byte[32], publicKey = new byte[32];
        new Random(seed).NextBytes(key);
        X25519.PublicKey(key, publicKey);
        return (key, publicKey);
    }
}
