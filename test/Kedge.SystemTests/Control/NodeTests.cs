using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kedge.Crypto;
using Kedge.Demo;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Enrolment;

namespace Kedge.SystemTests.Control;

/// <summary>What a node and a controller are to each other over TLS.</summary>
public sealed class NodeTests(SharedController shared) : IClassFixture<SharedController>
{
    private readonly ControllerProcess _controller = shared.Process;
    private readonly HttpClient _administrator = shared.Administrator;

    [Fact]
    public async Task A_node_joins_by_its_line_renews_by_its_certificate_and_leaves()
    {
        (X509Certificate2 certificate, EnrolmentResult joined) = await JoinAsync("leaver");
        using HttpClient node = _controller.CreateClient(certificate: certificate);

        EnrolmentResult renewed = await node.ReadAsync<EnrolmentResult>(HttpMethod.Post, "/api/v1/node/certificate");
        RegisteredNode seen = await _administrator.ReadAsync<RegisteredNode>(HttpMethod.Get, "/api/v1/nodes/leaver");
        using HttpResponseMessage left = await node.CallAsync(HttpMethod.Delete, "/api/v1/node");
        using HttpResponseMessage after = await node.CallAsync(HttpMethod.Post, "/api/v1/node/certificate");

        Assert.Equal(joined.Certificate, renewed.Certificate); // it is not due
        Assert.Equal(joined.Addresses, seen.Addresses);
        Assert.NotNull(seen.LastSeenAt);
        Assert.Equal(HttpStatusCode.NoContent, left.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, after.StatusCode);
        await after.ReadProblemAsync();
        using HttpResponseMessage gone = await _administrator.CallAsync(HttpMethod.Get, "/api/v1/nodes/leaver");
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
    }

    [Fact]
    public async Task A_removed_node_is_refused_on_the_connection_that_it_has()
    {
        (X509Certificate2 certificate, _) = await JoinAsync("removed");
        using HttpClient node = _controller.CreateClient(certificate: certificate);
        await node.ReadAsync<EnrolmentResult>(HttpMethod.Post, "/api/v1/node/certificate");

        using HttpResponseMessage removed = await _administrator.CallAsync(HttpMethod.Delete, "/api/v1/nodes/removed");
        using HttpResponseMessage after = await node.CallAsync(HttpMethod.Post, "/api/v1/node/certificate");

        Assert.Equal(HttpStatusCode.NoContent, removed.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, after.StatusCode);
        Assert.Contains("removed", (await after.ReadProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_that_names_a_node_but_not_by_its_key_is_nobody()
    {
        await JoinAsync("victim");
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 forged = new CertificateRequest("CN=victim", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        using HttpClient impostor = _controller.CreateClient(certificate: forged);

        using HttpResponseMessage answer = await impostor.CallAsync(HttpMethod.Post, "/api/v1/node/certificate");

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        await answer.ReadProblemAsync();
    }

    [Fact]
    public async Task A_node_is_no_administrator_and_an_administrator_no_node()
    {
        (X509Certificate2 certificate, _) = await JoinAsync("member");
        using HttpClient node = _controller.CreateClient(certificate: certificate);

        using HttpResponseMessage zones = await node.CallAsync(HttpMethod.Get, "/api/v1/zones");
        using HttpResponseMessage renewal = await _administrator.CallAsync(HttpMethod.Post, "/api/v1/node/certificate");

        Assert.Equal(HttpStatusCode.Unauthorized, zones.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, renewal.StatusCode);
    }

    [Fact]
    public void The_pinned_authority_goes_with_the_handshake_and_the_leaf_is_its_own()
    {
        JoinLine line = JoinLine.Parse(_controller.Process.WaitForLine("join line  ", ControllerProcess.Patience)["join line  ".Length..]);
        using RunningProcess openssl = RunningProcess.Start(new Command(
            "openssl", "s_client", "-connect", $"127.0.0.1:{_controller.Url.Port}", "-showcerts", "-verify_return_error", "-verify_ip", "127.0.0.1",
            "-CAfile", Path.Combine(_controller.DataDirectory, "keys", "server-ca.pem")));
        string output = openssl.WaitForExit(ControllerProcess.Patience).Output;
        var sent = new X509Certificate2Collection();
        sent.ImportFromPem(output);

        Assert.Contains("Verify return code: 0 (ok)", output, StringComparison.Ordinal);
        Assert.Equal(2, sent.Count);
        Assert.Equal(line.Pin, Sha256Digest.Of(sent[1].PublicKey.ExportSubjectPublicKeyInfo()));
    }

    [Fact]
    public async Task A_join_line_names_this_controller_and_its_network()
    {
        CreatedToken token = await _administrator.ReadAsync<CreatedToken>(HttpMethod.Post, "/api/v1/tokens", new TokenCreation());
        JoinLine line = JoinLine.Parse(token.JoinLine);
        NetworkDescription network = await _administrator.ReadAsync<NetworkDescription>(HttpMethod.Get, "/api/v1/network");

        Assert.Equal(_controller.Url.GetLeftPart(UriPartial.Authority), line.Url);
        Assert.Equal((network.Id, network.ServerPin), (line.Network.ToString(), line.Pin.ToString()));
        Assert.Equal(token.Secret, line.Token);
        Assert.DoesNotContain(token.Secret.Split('.')[1], _controller.Process.Output + _controller.Process.Error, StringComparison.Ordinal);
    }

    /// <summary>Joins as any program could that knows the specification: with the base library alone, but for the transcript.</summary>
    private async Task<(X509Certificate2 Certificate, EnrolmentResult Result)> JoinAsync(string name)
    {
        CreatedToken token = await _administrator.ReadAsync<CreatedToken>(HttpMethod.Post, "/api/v1/tokens", new TokenCreation());
        JoinLine line = JoinLine.Parse(token.JoinLine);
        using HttpClient stranger = _controller.CreateClient();
        ECDsa identity = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] wireGuard = RandomNumberGenerator.GetBytes(32), publicKey = new byte[32], proof = new byte[EnrolmentTranscript.ProofSize];
        X25519.PublicKey(wireGuard, publicKey);
        var request = new EnrolmentRequest
        {
            Name = name,
            IdentityKey = Convert.ToBase64String(identity.ExportSubjectPublicKeyInfo()),
            WireGuardKey = Convert.ToBase64String(publicKey),
        };
        EnrolmentChallenge challenge = await stranger.ReadAsync<EnrolmentChallenge>(HttpMethod.Post, "/api/v1/enrolments/challenges");
        var transcript = EnrolmentTranscript.OfSubmission(line.Network.ToArray(), line.Pin.ToArray(), challenge, line.Token, request);
        Assert.True(transcript.TryProve(wireGuard, Convert.FromBase64String(challenge.PublicKey), proof));
        string signature = Convert.ToBase64String(identity.SignHash(transcript.Hash, DSASignatureFormat.Rfc3279DerSequence));
        EnrolmentResult result = await stranger.ReadAsync<EnrolmentResult>(
            HttpMethod.Post, "/api/v1/enrolments", new EnrolmentSubmission(challenge.Id, request, Convert.ToBase64String(proof), signature, line.Token));
        return (X509CertificateLoader.LoadCertificate(Convert.FromBase64String(result.Certificate!)).CopyWithPrivateKey(identity), result);
    }
}
