using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Talks to a controller: over one HTTP/2 connection, to the pinned authority, and with the node's certificate once it has one. After a
/// failure, and for another certificate, its owner disposes it and makes another: that makes another connection. Any thread.
/// </summary>
/// <remarks>
/// Every method throws <see cref="ControllerException"/> for what the controller refuses or cannot be asked, and
/// <see cref="OperationCanceledException"/> when it is cancelled.
/// </remarks>
public sealed class ControllerClient : IDisposable
{
    private const int LongestAnswer = 1 << 20;
    private const int LongestSentence = 1000;
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(30);

    /// <summary>The longest time that a controller can make a node wait before it asks again.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);

    private readonly ControllerAddress _controller;
    private readonly TimeProvider _clock;
    private readonly PinnedServer _server;
    private readonly X509Certificate2? _certificate;
    private readonly HttpClient _http;

    /// <summary>Makes a client. It connects when it is asked for something.</summary>
    /// <param name="controller">The controller.</param>
    /// <param name="certificate">The node's certificate, DER; null before it has one. One that has expired is presented as well.</param>
    /// <param name="identity">The key of the certificate; stays the caller's. Null without a certificate.</param>
    /// <param name="clock">What time it is.</param>
    /// <param name="mark">
    /// The firewall mark of its connections, where this process may set one: an overlay's prefix may hold the controller's address, and
    /// must not draw them into a tunnel. 0 for none.
    /// </param>
    /// <exception cref="UserError">The key is not that of the certificate.</exception>
    public ControllerClient(
        ControllerAddress controller, ReadOnlyMemory<byte>? certificate, ECDsa? identity, TimeProvider clock, uint mark = 0)
    {
        _controller = controller;
        _clock = clock;
        _server = new PinnedServer([controller.Pin, .. controller.OtherPins], clock);
        if (certificate is { } der)
        {
            using X509Certificate2 bare = X509CertificateLoader.LoadCertificate(der.Span);
            ArgumentNullException.ThrowIfNull(identity);
            if (!bare.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(identity.ExportSubjectPublicKeyInfo()))
            {
                throw new UserError(
                    "The node's identity key is not that of its certificate: restore both from one backup, or join again as another node.");
            }
            _certificate = bare.CopyWithPrivateKey(identity);
        }
        _http = new HttpClient(Handler(mark))
        {
            BaseAddress = new Uri(controller.Url, "/api/v1/"),
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
            MaxResponseContentBufferSize = LongestAnswer,
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>
    /// Asks to join, or for something else than before, and proves that the node has its keys. Repeating it is harmless, so an answer that was
    /// lost is asked for again.
    /// </summary>
    /// <param name="request">What is asked for. Its signature of the keys is added where it has none.</param>
    /// <param name="token">The token; null where the identity key is known to the controller.</param>
    /// <param name="identity">The identity key, ECDSA P-256; stays the caller's.</param>
    /// <param name="wireGuardKey">The WireGuard private key, 32 bytes; stays the caller's.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<EnrolmentResult> EnrolAsync(
        EnrolmentRequest request, string? token, ECDsa identity, ReadOnlyMemory<byte> wireGuardKey, CancellationToken cancellation)
    {
        request = request with { KeysSignature = request.KeysSignature ?? SignatureOfKeys(request, identity) };
        EnrolmentChallenge challenge = await ChallengeAsync(cancellation);
        var transcript = EnrolmentTranscript.OfSubmission(_controller.Network.ToArray(), ServerPin, challenge, token, request);
        byte[] proof = Prove(transcript, wireGuardKey.Span, challenge);
        var submission = new EnrolmentSubmission(challenge.Id, request, Convert.ToBase64String(proof), transcript.Sign(identity), token);
        return await AskAsync(
            HttpMethod.Post, "enrolments", JsonContent.Create(submission, ApiJson.Default.EnrolmentSubmission), ApiJson.Default.EnrolmentResult, cancellation);
    }

    /// <summary>Asks what has become of a request.</summary>
    /// <param name="identity">The identity key of the request; stays the caller's.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<EnrolmentResult> InquireAsync(ECDsa identity, CancellationToken cancellation)
    {
        EnrolmentChallenge challenge = await ChallengeAsync(cancellation);
        string key = Convert.ToBase64String(identity.ExportSubjectPublicKeyInfo());
        var transcript = EnrolmentTranscript.OfInquiry(_controller.Network.ToArray(), ServerPin, challenge, key);
        var inquiry = new EnrolmentInquiry(challenge.Id, key, transcript.Sign(identity));
        return await AskAsync(
            HttpMethod.Post, "enrolments/inquiries", JsonContent.Create(inquiry, ApiJson.Default.EnrolmentInquiry), ApiJson.Default.EnrolmentResult, cancellation);
    }

    /// <summary>Asks for nothing: returns when the controller has answered and is the pinned one.</summary>
    public Task ReachAsync(CancellationToken cancellation) => ChallengeAsync(cancellation);

    /// <summary>Asks for a new certificate. The answer has the present one while it is not time for another.</summary>
    /// <param name="renewal">What the node has that it did not have before.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public Task<EnrolmentResult> RenewAsync(CertificateRenewal renewal, CancellationToken cancellation) => AskAsync(
        HttpMethod.Post, "node/certificate", JsonContent.Create(renewal, ApiJson.Default.CertificateRenewal), ApiJson.Default.EnrolmentResult, cancellation);

    /// <summary>Leaves the network.</summary>
    public Task LeaveAsync(CancellationToken cancellation) => TellAsync(HttpMethod.Delete, "node", null, cancellation);

    /// <summary>Says where the node can be reached.</summary>
    public Task ReportEndpointsAsync(EndpointReport report, CancellationToken cancellation) =>
        TellAsync(HttpMethod.Put, "node/endpoints", JsonContent.Create(report, ApiJson.Default.EndpointReport), cancellation);

    /// <summary>Says which map the node has, and which of its records it could not use.</summary>
    public Task AcknowledgeAsync(MapAcknowledgement acknowledgement, CancellationToken cancellation) => TellAsync(
        HttpMethod.Post, "node/acknowledgements", JsonContent.Create(acknowledgement, ApiJson.Default.MapAcknowledgement), cancellation);

    /// <summary>Answers a question of the map stream.</summary>
    public Task AnswerAsync(StreamAnswer answer, CancellationToken cancellation) =>
        TellAsync(HttpMethod.Post, "node/answers", JsonContent.Create(answer, ApiJson.Default.StreamAnswer), cancellation);

    /// <summary>
    /// Has the controller pass an introduction on to a peer. Done once it was passed on, which does not say that the peer has read it.
    /// Refused with <see cref="RefusalReason.PeerUnknown"/>, <see cref="RefusalReason.PeerNotConnected"/> or
    /// <see cref="RefusalReason.TooManyRequests"/>; with 404 and no reason by a controller of an earlier version.
    /// </summary>
    public Task IntroduceAsync(Introduction introduction, CancellationToken cancellation) =>
        TellAsync(HttpMethod.Post, "node/introductions", JsonContent.Create(introduction, ApiJson.Default.Introduction), cancellation);

    /// <summary>
    /// The frames of the map stream, one line each without its line feed, valid until the next is asked for. It ends when the controller ends
    /// it, and with a <see cref="ControllerException"/> when it breaks or brings nothing for 90 seconds.
    /// </summary>
    /// <param name="from">Where to go on from.</param>
    /// <param name="cancellation">Ends it.</param>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> WatchAsync(MapPosition from, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            HttpMethod.Get, $"node/map?store={from.Store:D}&revision={from.Revision}&epoch={from.Epoch:D}&sequence={from.Sequence}", null, cancellation);
        await using var stream = new MapStream(await response.Content.ReadAsStreamAsync(cancellation), _clock);
        while (await NextAsync(stream, cancellation))
            yield return stream.Line;
    }

    /// <summary>Ends the connection, and whatever is under way on it.</summary>
    public void Dispose()
    {
        _http.Dispose();
        _certificate?.Dispose();
    }

    private static byte[] Prove(EnrolmentTranscript transcript, ReadOnlySpan<byte> wireGuardKey, EnrolmentChallenge challenge)
    {
        byte[] publicKey = new byte[32];
        byte[] proof = new byte[EnrolmentTranscript.ProofSize];
        bool isKey = Convert.TryFromBase64String(challenge.PublicKey, publicKey, out int length) && length == publicKey.Length;
        if (!isKey || !transcript.TryProve(wireGuardKey, publicKey, proof))
            throw new ControllerException("The controller's challenge has no key that anything can be proved against.");
        return proof;
    }

    // Of the authority that the controller has now, which may be another than was pinned: proofs are for the server that is spoken to.
    private byte[] ServerPin => (_server.Authority ?? _controller.Pin).ToArray();

    private string SignatureOfKeys(EnrolmentRequest request, ECDsa identity) => EnrolmentTranscript
        .OfKeys(_controller.Network.ToArray(), request.IdentityKey, request.WireGuardKey, request.RosenpassKeyHash)
        .Sign(identity);

    private Task<EnrolmentChallenge> ChallengeAsync(CancellationToken cancellation) =>
        AskAsync(HttpMethod.Post, "enrolments/challenges", null, ApiJson.Default.EnrolmentChallenge, cancellation);

    private SocketsHttpHandler Handler(uint mark)
    {
        SocketsHttpHandler handler = _server.CreateHandler(mark);
        handler.UseProxy = false;
        handler.AutomaticDecompression = DecompressionMethods.GZip;
        handler.ConnectTimeout = ConnectTimeout;
        handler.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        handler.KeepAlivePingTimeout = TimeSpan.FromSeconds(15);
        handler.PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan;
        handler.SslOptions.EnabledSslProtocols = SslProtocols.Tls13 | SslProtocols.Tls12;
        handler.SslOptions.AllowTlsResume = false; // every connection proves anew who is at both ends
        handler.SslOptions.ClientCertificateContext =
            _certificate is null ? null : SslStreamCertificateContext.Create(_certificate, null, offline: true);
        return handler;
    }

    private async Task TellAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(method, path, content, cancellation);
    }

    private async Task<T> AskAsync<T>(HttpMethod method, string path, HttpContent? content, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(method, path, content, cancellation);
        try
        {
            await response.Content.LoadIntoBufferAsync(LongestAnswer, cancellation);
            return await response.Content.ReadFromJsonAsync(type, cancellation) ?? throw new JsonException();
        }
        catch (Exception e) when (e is JsonException or HttpRequestException or IOException)
        {
            throw new ControllerException($"The answer of {_controller.Url.Authority} cannot be read: {e.Message}", e);
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, path)
        {
            Content = content,
            Version = _http.DefaultRequestVersion,
            VersionPolicy = _http.DefaultVersionPolicy,
        };
        using var timeout = new CancellationTokenSource(RequestTimeout, _clock);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timeout.Token);
        try
        {
            HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
            {
                Problem? problem = await ReadProblemAsync(response, either.Token);
                throw new ControllerException(
                    response.StatusCode, Sentence(response, problem), RetryAfter(response), problem?.Reason ?? RefusalReason.None);
            }
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new ControllerException($"{_controller.Url.Authority} does not answer.", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new ControllerException(Sentence(e), e);
        }
    }

    private async ValueTask<bool> NextAsync(MapStream stream, CancellationToken cancellation)
    {
        try
        {
            return await stream.ReadAsync(cancellation);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or InvalidDataException)
        {
            cancellation.ThrowIfCancellationRequested();
            throw new ControllerException(Sentence(e), e);
        }
    }

    private string Sentence(Exception failure)
    {
        string where = $"the controller at {_controller.Url.Authority}";
        for (Exception? cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (cause is PinnedServerException)
                return $"Refused {where}. {cause.Message}";
            if (cause is AuthenticationException)
                return $"Refused {where}. The TLS handshake failed: {cause.Message}";
            if (cause is ConnectException)
                return $"Cannot talk to {where}: {cause.Message}.";
        }
        return $"Cannot talk to {where}: {failure.Message}";
    }

    // RFC 9110 section 10.2.3. A moment instead of a number of seconds would need clocks that agree.
    private static TimeSpan? RetryAfter(HttpResponseMessage response) =>
        response.Headers.RetryAfter?.Delta is { } wait ? wait < LongestWait ? wait : LongestWait : null;

    // What the controller says is wrong (RFC 9457); whatever is between may answer with something else.
    private static async Task<Problem?> ReadProblemAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        if (response.Content.Headers.ContentType?.MediaType != "application/problem+json")
            return null;
        try
        {
            await response.Content.LoadIntoBufferAsync(LongestAnswer, cancellation);
            return await response.Content.ReadFromJsonAsync(ApiJson.Default.Problem, cancellation);
        }
        catch (Exception e) when (e is JsonException or HttpRequestException or IOException)
        {
            return null; // the status has to do
        }
    }

    private static string Sentence(HttpResponseMessage response, Problem? problem) => problem?.Detail switch
    {
        { Length: > LongestSentence } detail => detail[..LongestSentence] + "…",
        { Length: > 0 } detail => detail,
        _ => $"The controller answered {(int)response.StatusCode} {response.ReasonPhrase ?? response.StatusCode.ToString()}.",
    };
}
