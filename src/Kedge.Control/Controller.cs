using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Control.Endpoints;
using Kedge.Control.Identity;
using Kedge.Control.Introductions;
using Kedge.Control.Listening;
using Kedge.Control.Pki;
using Kedge.Control.Push;
using Kedge.Control.Scheduling;
using Kedge.Control.Store;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Kedge.Relaying;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kedge.Control;

/// <summary>A controller: everything it is made of, from its start to its end.</summary>
public sealed class Controller : IAsyncDisposable
{
    private const int LongestBody = 256 << 10;
    private const int MostConnections = 16_384;

    private readonly ControllerSettings _settings;
    private readonly DataDirectory _data;
    private readonly SqliteStore _store;
    private readonly NetworkAuthority _authority;
    private readonly ServerCertificate _server;
    private readonly Metrics _metrics;
    private readonly Maintenance _maintenance;
    private readonly MapPush _push;
    private readonly StreamHub _streams;
    private readonly ConnectionGate _gate;
    private readonly StunPort? _stun;
    private readonly WebApplication _app;
    private readonly CancellationTokenSource _ending = new();
    private Task _maintaining = Task.CompletedTask;

    private Controller(ControllerSettings settings, DataDirectory data, TimeProvider clock, ILogger log)
    {
        _data = data;
        data.RequireStoreOfKeys();
        _store = SqliteStore.Open(data.StoreFile, clock, log);
        _authority = NetworkAuthority.Open(data.KeyFolder, settings.LockedMaster, clock.GetUtcNow());
        _server = ServerCertificate.Open(data.KeyFolder, HostsOf(settings), clock);
        _metrics = new Metrics();

        var presence = new Presence(clock);
        var challenges = new Challenges(clock);
        var certification = new Certification(_authority);
        var reached = new ReachedAddresses(AddressesOf(settings));
        var budget = new NodeBudget(clock);
        var enrolments = new Enrolments(_store, certification, challenges, presence, budget, reached, _server.Pin);
        var registry = new Registry(_store, certification, presence, reached);
        var audit = new AuditLog(settings.AuditDays, settings.AuditEntries);
        _maintenance = new Maintenance(_store, certification, registry, presence, budget, audit, clock, log);
        var endpoints = new EndpointBoard(clock);
        endpoints.Restore(_store.Read(ReportedEndpoints.List));
        var sources = new PushSources(_store, endpoints, DescribeTrust, DescribeSettings, new PushCounters(_metrics.Meter), clock);
        _push = new MapPush(sources, known => _store.WriteAsync(change => ReportedEndpoints.Save(change, known)), log);
        presence.AcknowledgedBy = node => _push.Acknowledgements.RevisionOf(node, _store.StoreId);
        presence.DuplicatesOf = _push.Duplicates.SourcesOf;
        _push.Duplicates.Found = (node, from) => _ = TellDuplicatesAsync(registry, budget, node, from, log);
        reached.PeersOf = endpoints.InZone;
        reached.Reported = _push.Report;
        _streams = new StreamHub(clock.Now);
        _streams.CountBy(_metrics.Meter);
        _push.NodeChanged = node => _streams.Review(node, IsCurrent);
        var known = new KnownSources();
        _gate = new ConnectionGate(new ProxyReader(settings.ProxyProtocolFrom, clock, log), known, clock);
        if (settings.StunPort != 0)
            _stun = StunOf(settings, known, clock, log);
        Count(_metrics.Meter, presence, budget);

        _app = BuildHost(settings, log);
        Counter<long> requests = _metrics.Meter.CreateCounter<long>("kedge.http.requests", description: "Requests that were answered, by status.");
        _app.Use(async (context, next) =>
        {
            await next(context);
            requests.Add(1, new KeyValuePair<string, object?>("status", context.Response.StatusCode));
        });
        _app.UseProblems(log);
        _app.UseRouting();
        _app.UseAuthorization(_store, presence, budget, new Applicants(known, clock));

        RouteGroupBuilder api = _app.MapGroup("/api/v1");
        api.MapEnrolments(enrolments, challenges);
        api.MapOwnNode(enrolments, registry);
        api.MapPush(_push, new Introducer(_store, _push.FindStreams, _metrics.Meter, clock), presence, budget, log);
        api.MapStreams(_streams, clock);
        api.MapZones(_store, registry);
        api.MapNodes(registry, new WireGuardConfiguration(_store, reached));
        api.MapTokens(_store, JoinLineOf);
        api.MapLeases(_store);
        api.MapAudit(_store);
        api.MapNetwork(() => Describe(settings.Version), registry);
        api.MapInterfaceDescription(DescribeInterfaceAsync);
        _app.MapHealth(new Readiness(_store, clock), _metrics);
        _settings = settings;
        Url = settings.Urls.Count > 0 ? settings.Urls[0] : new Uri("https://localhost");
    }

    /// <summary>The address that join lines have.</summary>
    public Uri Url { get; private set; }

    /// <summary>The network's identifier.</summary>
    public Sha256Digest NetworkId => _authority.NetworkId;

    /// <summary>The SHA-256 of the server authority's SubjectPublicKeyInfo: what join lines pin.</summary>
    public Sha256Digest ServerPin => _server.Pin;

    /// <summary>Whether nodes are certified elsewhere.</summary>
    public bool IsLocked => _authority.IsLocked;

    /// <summary>The token of the first administrator if it was just made, which happens once; it is in a file too.</summary>
    public string? NewAdministratorToken { get; private set; }

    /// <summary>Starts a controller, which makes what it needs where it is the first time.</summary>
    /// <param name="settings">What it is told.</param>
    /// <param name="clock">What time it is.</param>
    /// <param name="log">Where it tells what happens.</param>
    /// <exception cref="UserError">It cannot start.</exception>
    public static async Task<Controller> StartAsync(ControllerSettings settings, TimeProvider clock, ILogger log)
    {
        DataDirectory data = DataDirectory.Lock(settings.DataDirectory);
        Controller? controller = null;
        try
        {
            controller = new Controller(settings, data, clock, log);
            await controller._store.WriteAsync(change =>
            {
                Zones.CreateDefault(change);
                if (!Administrators.Any(change))
                    controller.NewAdministratorToken = Administrators.Replace(change, Actor.Controller, Administrators.First);
            });
            if (controller.NewAdministratorToken is { } token)
                data.WriteAdministratorToken(token);
            controller._push.Start();
            await controller.ListenAsync(settings, log);
            return controller;
        }
        catch
        {
            if (controller is null)
                data.Dispose();
            else
                await controller.DisposeAsync();
            throw;
        }
    }

    /// <summary>The description of the interface, OpenAPI 3.1 in JSON.</summary>
    public Task<string> DescribeInterfaceAsync() => InterfaceDescription.WriteAsync(_app.Services);

    /// <summary>The line by which a node joins, without a token.</summary>
    public string JoinLineForm => JoinLine(null).ToString();

    /// <summary>The file that has the first administrator's token.</summary>
    public static string AdministratorTokenFileOf(string dataDirectory) => DataDirectory.AdministratorTokenFileOf(dataDirectory);

    /// <summary>The file that has the address which nodes are told, as long as a controller has ever run there.</summary>
    public static string UrlFileOf(string dataDirectory) => DataDirectory.UrlFileOf(dataDirectory);

    /// <summary>The file that has the server authority's certificate, PEM.</summary>
    public static string ServerAuthorityFileOf(string dataDirectory) => ServerCertificate.AuthorityFileOf(DataDirectory.KeyFolderOf(dataDirectory));

    /// <summary>The line by which a node joins.</summary>
    /// <param name="token">Its token.</param>
    public string JoinLineOf(string token) => JoinLine(token).ToSecretText();

    /// <summary>Ends it: streams first, then requests that are under way, then the store.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _streams.End();
        await _push.DisposeAsync();
        if (_stun is not null)
            await _stun.DisposeAsync();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _gate.Dispose();
        await _maintaining;
        try
        {
            await _maintenance.WriteSeenAsync();
        }
        catch (StoreException)
        {
            // When nodes were last seen is no reason not to end.
        }
        await _store.DisposeAsync();
        _metrics.Dispose();
        _server.Dispose();
        _authority.Dispose();
        _data.Dispose();
        _ending.Dispose();
    }

    private JoinLine JoinLine(string? token) => new()
    {
        Host = Url.IdnHost.Trim('[', ']'),
        Port = Url.Port,
        Network = NetworkId,
        Pin = ServerPin,
        OtherPins = [.. _server.Pins.Skip(1)],
        Token = token,
    };

    private async Task ListenAsync(ControllerSettings settings, ILogger log)
    {
        foreach (IPEndPoint address in settings.Listen)
            ListenAddress.Require(address);
        _stun?.Open();
        try
        {
            await _app.StartAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            throw new UserError($"The controller cannot listen on {string.Join(", ", settings.Listen)}: {e.Message} Name another address with --listen.", e);
        }
        ICollection<string> addresses = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        if (settings.Urls.Count == 0)
            Url = new Uri(addresses.First());
        _data.WriteUrl(Url);
        foreach (string address in addresses)
            Log.Listening(log, address);
        _maintaining = _maintenance.RunAsync(_ending.Token);
    }

    /// <summary>The host: Kestrel, JSON, and nothing from the environment or from files.</summary>
    private WebApplication BuildHost(ControllerSettings settings, ILogger log)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { EnvironmentName = Environments.Production });
        builder.Logging.AddProvider(new OneLog(log)).SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddRouting();
        builder.Services.AddInterfaceDescription();
        builder.Services.Configure<RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);
        builder.Services.ConfigureHttpJsonOptions(options =>
        {
            JsonSerializerOptions json = options.SerializerOptions;
            json.TypeInfoResolverChain.Insert(0, ApiJson.Default);
            json.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
            json.RespectNullableAnnotations = true;
            json.RespectRequiredConstructorParameters = true;
            json.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
            json.AllowDuplicateProperties = false;
            json.NumberHandling = JsonNumberHandling.Strict;
            json.MaxDepth = 16;
            json.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping; // no page embeds this
        });
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(10));
        builder.WebHost.UseKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = LongestBody;
            options.Limits.MaxConcurrentConnections = MostConnections;
            options.Limits.MaxConcurrentUpgradedConnections = MostConnections;
            options.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
            options.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(15);
            options.Limits.Http2.InitialConnectionWindowSize = 128 << 10;
            options.Limits.Http2.InitialStreamWindowSize = 128 << 10;
            foreach (IPEndPoint address in settings.Listen)
            {
                options.Listen(address, listen =>
                {
                    _gate.Guard(listen);
                    listen.UseHttps(Handshake());
                });
            }
        });
        return builder.Build();
    }

    /// <summary>
    /// TLS: whoever has a certificate presents it, because HTTP/2 cannot ask later (RFC 9113 section 9.2.3), and any is taken, because only
    /// its key counts, which the store knows. Nothing is looked up elsewhere for it.
    /// </summary>
    [SuppressMessage("Security", "CA5359", Justification = "Nobody is let in for a certificate: authorization looks its key up in the store.")]
    private TlsHandshakeCallbackOptions Handshake() => new()
    {
        OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = _server.Current,
            EnabledSslProtocols = SslProtocols.Tls13 | SslProtocols.Tls12,
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
            },
        }),
    };

    /// <summary>Tells administrators that a node is two machines.</summary>
    private static async Task TellDuplicatesAsync(Registry registry, NodeBudget budget, Guid node, IReadOnlyList<string> from, ILogger log)
    {
        if (!budget.TryLog(node))
            return;
        try
        {
            if (await registry.NoteDuplicatesAsync(node, from) is { } name)
                Log.NodeDuplicated(log, name, node, string.Join(" and ", from));
        }
        catch (Exception e) when (e is StoreException or ObjectDisposedException)
        {
            Log.NodeDuplicated(log, node.ToString(), node, string.Join(" and ", from));
        }
    }

    private bool IsCurrent(NodeStream stream) =>
        _store.Read(reader => Nodes.TryFind(reader, stream.Node)) is { Status: StoredNode.Active } node
        && node.Zone == stream.Zone
        && node.WireGuardKey == stream.Key;

    private TrustResource DescribeTrust() => new(
        [.. _authority.Certificates.Select(one => one.Der.ToArray())], [.. _store.Read(RevocationLists.All)]);

    private static StunPort StunOf(ControllerSettings settings, KnownSources known, TimeProvider clock, ILogger log)
    {
        int otherPort = settings.StunOtherPort ?? (settings.StunPort + 1) % (ushort.MaxValue + 1);
        return new StunPort(
            [.. settings.Listen.Select(listen => listen.Address).Distinct()], settings.StunPort,
            otherPort == settings.StunPort ? 0 : otherPort, known, clock, log);
    }

    // An address that nobody gave is where it listens, which is not where everybody reaches it.
    private SettingsResource DescribeSettings() => new(
        _settings.StunServers.Count > 0 ? _settings.StunServers : _stun is { IsOpen: true } ? [$"{Url.Host}:{_stun.Port}"] : [],
        [.. _server.Pins.Select(pin => pin.ToString())],
        _settings.Urls.Count == 0 ? null : [.. _settings.Urls.Select(url => url.GetLeftPart(UriPartial.Authority))]);

    private NetworkDescription Describe(string version) => new()
    {
        Id = NetworkId.ToString(),
        Mode = IsLocked ? "locked" : "managed",
        Authorities = _authority.CertificateTexts,
        RevocationLists = [.. _store.Read(RevocationLists.All).Select(Convert.ToBase64String)],
        ServerPin = ServerPin.ToString(),
        Url = Url.GetLeftPart(UriPartial.Authority),
        StoreId = _store.StoreId,
        Revision = _store.Revision,
        Version = version,
    };

    private void Count(Meter meter, Presence presence, NodeBudget budget)
    {
        meter.CreateObservableGauge("kedge.nodes", () => _store.Read(reader => reader.List(
            $"SELECT status, COUNT(*) FROM node WHERE status IN ('pending', 'active') GROUP BY status",
            row => new Measurement<long>(row.Number(1), new KeyValuePair<string, object?>("status", row.Text(0))))), description: "Nodes, by status.");
        meter.CreateObservableGauge("kedge.nodes.online", () => (long)presence.Online, description: "Nodes whose control link is connected.");
        meter.CreateObservableCounter("kedge.nodes.requests.refused", () => Enum.GetValues<NodeWork>().Select(work => new Measurement<long>(
            budget.RefusedOf(work), new KeyValuePair<string, object?>("work", work.ToString().ToLowerInvariant()))),
            description: "Requests of nodes that were refused because the node has made too many, by kind.");
        meter.CreateObservableGauge("kedge.zones", () => _store.Read(reader => reader.Number($"SELECT COUNT(*) FROM zone")), description: "Zones.");
        meter.CreateObservableGauge("kedge.store.revision", () => _store.Revision, description: "The last revision of the store.");
        meter.CreateObservableGauge("kedge.store.writable", () => _store.IsWritable ? 1L : 0L, description: "Whether the last change could be kept.");
        meter.CreateObservableCounter("kedge.tls.handshakes", () => _gate.Entered, description: "Connections that were let into their TLS handshake.");
        meter.CreateObservableCounter(
            "kedge.tls.handshakes.refused", () => _gate.SentAway, description: "Connections that were sent away, because too many wanted a TLS handshake.");
        meter.CreateObservableGauge(
            "kedge.connections.anonymous", () => (long)_gate.Anonymous, description: "Connections on which nobody has authenticated yet.");
        meter.CreateObservableGauge("process.resident.memory.bytes", () => Environment.WorkingSet, description: "Resident memory.");
        meter.CreateObservableGauge("dotnet.gc.heap.bytes", () => GC.GetTotalMemory(false), description: "What is in the managed heap, garbage included.");
        meter.CreateObservableGauge("dotnet.gc.committed.bytes", () => GC.GetGCMemoryInfo().TotalCommittedBytes, description: "Memory that the managed heap has taken.");
        meter.CreateObservableCounter(
            "process.cpu.seconds", () => Environment.CpuUsage.TotalTime.TotalSeconds, description: "Processor time that this process has used.");
    }

    /// <summary>By what names and addresses the controller is called: what its certificate is for.</summary>
    private static HashSet<string> HostsOf(ControllerSettings settings)
    {
        HashSet<string> hosts = [];
        foreach (Uri url in settings.Urls)
            hosts.Add(url.IdnHost.Trim('[', ']'));
        foreach (IPEndPoint listen in settings.Listen.Where(listen => !IsWildcard(listen.Address)))
            hosts.Add(listen.Address.ToString());
        if (settings.Listen.Any(listen => IsWildcard(listen.Address) || IPAddress.IsLoopback(listen.Address)))
            hosts.UnionWith(["localhost", "127.0.0.1", "::1"]);
        return hosts;
    }

    /// <summary>Where the controller is reached, as far as it can know: no node may announce that.</summary>
    private static HashSet<IpAddress> AddressesOf(ControllerSettings settings)
    {
        HashSet<IpAddress> addresses = [];
        foreach (Uri url in settings.Urls)
        {
            if (IpAddress.TryParse(url.IdnHost.Trim('[', ']'), out IpAddress named))
                addresses.Add(named);
        }
        foreach (IPEndPoint listen in settings.Listen)
        {
            IEnumerable<IPAddress> own = IsWildcard(listen.Address)
                ? NetworkInterface.GetAllNetworkInterfaces().SelectMany(one => one.GetIPProperties().UnicastAddresses).Select(one => one.Address)
                : [listen.Address];
            addresses.UnionWith(own.Select(address => IpAddress.FromBytes(address.GetAddressBytes())));
        }
        addresses.RemoveWhere(address => !AddressRules.CanBeSentTo(address));
        return addresses;
    }

    private static bool IsWildcard(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    /// <summary>Everything that the framework has to say goes to the one log.</summary>
    private sealed class OneLog(ILogger log) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => log;

        public void Dispose()
        {
        }
    }
}
