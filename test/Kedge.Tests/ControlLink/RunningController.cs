using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using Kedge.Control;
using Kedge.Crypto;
using Kedge.Node.Connecting;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Api;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.WireGuard;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.ControlLink;

/// <summary>A controller in this process, on loopback, in a folder of its own.</summary>
internal sealed class RunningController : IAsyncDisposable
{
    private readonly string _folder;
    private readonly Controller _controller;
    private readonly HttpClient _administrator;

    private RunningController(string folder, Controller controller, string administratorToken)
    {
        (_folder, _controller) = (folder, controller);
        _administrator = new HttpClient(new PinnedServer(controller.ServerPin, TimeProvider.System).CreateHandler()) { BaseAddress = new Uri(controller.Url, "/api/v1/") };
        _administrator.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", administratorToken);
    }

    public ControllerAddress Address => new(_controller.Url, _controller.NetworkId, _controller.ServerPin);

    /// <summary>Starts one that has nothing yet.</summary>
    public static async Task<RunningController> StartAsync()
    {
        string folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;
        return await StartAsync(folder, 0, null);
    }

    /// <summary>Ends it, and starts it again where it was.</summary>
    public Task<RunningController> RestartAsync() => RestartAsync(_ => { });

    /// <summary>Ends it, changes its data folder, and starts it again.</summary>
    public async Task<RunningController> RestartAsync(Action<string> change)
    {
        await _controller.DisposeAsync();
        _administrator.Dispose();
        change(Path.Combine(_folder, "data"));
        return await StartAsync(_folder, _controller.Url.Port, _administrator.DefaultRequestHeaders.Authorization!.Parameter);
    }

    /// <summary>The line by which nodes join, with a new token.</summary>
    public async Task<JoinLine> CreateJoinLineAsync() => JoinLine.Parse(_controller.JoinLineOf(await CreateTokenAsync()));

    public async Task<string> CreateTokenAsync()
    {
        using HttpResponseMessage response = await _administrator.PostAsJsonAsync("tokens", new TokenCreation { Zone = "default" }, ApiJson.Default.TokenCreation);
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync(ApiJson.Default.CreatedToken))!.Secret;
    }

    public async Task<IReadOnlyList<RegisteredNode>> ListNodesAsync() =>
        (await _administrator.GetFromJsonAsync("nodes", ApiJson.Default.IReadOnlyListRegisteredNode))!;

    public async Task<IReadOnlyList<AuditEntry>> ListAuditAsync() =>
        (await _administrator.GetFromJsonAsync("audit?limit=1000", ApiJson.Default.IReadOnlyListAuditEntry))!;

    public Task<string> ReadMetricsAsync() => _administrator.GetStringAsync(new Uri(_controller.Url, "/metrics"));

    public async Task RemoveNodeAsync(Guid node)
    {
        using HttpResponseMessage response = await _administrator.DeleteAsync($"nodes/{node}");
        response.EnsureSuccessStatusCode();
    }

    public async ValueTask DisposeAsync()
    {
        await _controller.DisposeAsync();
        _administrator.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task<RunningController> StartAsync(string folder, int port, string? administratorToken)
    {
        var settings = new ControllerSettings
        {
            DataDirectory = Path.Combine(folder, "data"),
            Listen = [new IPEndPoint(IPAddress.Loopback, port)],
            Version = "test",
            StunPort = 0,
        };
        Controller controller = await Controller.StartAsync(settings, TimeProvider.System, NullLogger.Instance);
        return new RunningController(folder, controller, administratorToken ?? controller.NewAdministratorToken!);
    }
}

/// <summary>A machine with its two keys.</summary>
internal sealed class Machine : IDisposable
{
    public ECDsa Identity { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public byte[] WireGuardKey { get; } = RandomNumberGenerator.GetBytes(32);

    public EnrolmentRequest Request(string name)
    {
        var publicKey = new byte[X25519.KeySize];
        X25519.PublicKey(WireGuardKey, publicKey);
        return new EnrolmentRequest
        {
            Name = name,
            IdentityKey = Convert.ToBase64String(Identity.ExportSubjectPublicKeyInfo()),
            WireGuardKey = PublicKey.FromBytes(publicKey).ToString(),
        };
    }

    /// <summary>Joins and returns what it was given.</summary>
    public async Task<EnrolmentResult> JoinAsync(RunningController controller, string name, params NodeEndpoint[] endpoints)
    {
        using var client = new ControllerClient(controller.Address, null, null, TimeProvider.System);
        return await client.EnrolAsync(
            Request(name) with { Endpoints = endpoints }, await controller.CreateTokenAsync(), Identity, WireGuardKey, TestContext.Current.CancellationToken);
    }

    /// <summary>A client that shows the certificate.</summary>
    public ControllerClient Client(RunningController controller, EnrolmentResult joined) =>
        new(controller.Address, Convert.FromBase64String(joined.Certificate!), Identity, TimeProvider.System);

    public void Dispose() => Identity.Dispose();
}
