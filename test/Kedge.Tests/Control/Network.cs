using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Kedge.Control.Identity;
using Kedge.Control.Pki;
using Kedge.Control.Store;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Control;

/// <summary>All of a controller but its host, on a real store in a folder of its own, and on a virtual clock.</summary>
internal sealed class Network : IAsyncDisposable
{
    public static readonly IpAddress ControllerAddress = IpAddress.Parse("198.51.100.1");

    private readonly string _folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;

    private Network(CertificateAuthority? master)
    {
        string keys = Path.Combine(_folder, "keys");
        SecretFile.CreateFolder(keys);
        string? masterFile = null;
        if (master is not null)
        {
            masterFile = Path.Combine(_folder, "given.pem");
            SecretFile.WriteCertificate(masterFile, master.Certificate.Der.Span);
        }
        Master = master;
        Authority = NetworkAuthority.Open(keys, masterFile, Clock.GetUtcNow());
        Store = SqliteStore.Open(StoreFile, Clock, NullLogger.Instance);
        Challenges = new Challenges(Clock);
        Presence = new Presence(Clock);
        Reached = new ReachedAddresses([ControllerAddress]);
        Budget = new NodeBudget(Clock);
        Compose();
    }

    public static Actor Administrator { get; } = new("administrator test", "192.0.2.77");

    public VirtualClock Clock { get; } = new();

    public string StoreFile => Path.Combine(_folder, "store.db");

    /// <summary>Who signs in a locked network; elsewhere than the controller.</summary>
    public CertificateAuthority? Master { get; }

    public Sha256Digest Pin { get; } = Sha256Digest.Of([1, 2, 3]);

    public NetworkAuthority Authority { get; private set; }

    public SqliteStore Store { get; private set; }

    public Challenges Challenges { get; }

    public Presence Presence { get; }

    public NodeBudget Budget { get; }

    public ReachedAddresses Reached { get; }

    public Certification Certification { get; private set; }

    public Enrolments Enrolments { get; private set; }

    public Registry Registry { get; private set; }

    public Maintenance Maintenance { get; private set; }

    public static async Task<Network> CreateAsync()
    {
        var network = new Network(null);
        await network.Store.WriteAsync(Zones.CreateDefault);
        return network;
    }

    public static async Task<Network> CreateLockedAsync()
    {
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var network = new Network(CertificateAuthority.CreateMaster(
            "test", key, SerialNumber.Create(RandomNumberGenerator.Fill), new(2029, 1, 1, 0, 0, 0, TimeSpan.Zero), new(2049, 1, 1, 0, 0, 0, TimeSpan.Zero)));
        await network.Store.WriteAsync(Zones.CreateDefault);
        return network;
    }

    /// <summary>A managed network gets a new issuer, as over a restart of the controller.</summary>
    public void RotateIssuer()
    {
        string keys = Path.Combine(_folder, "keys");
        Authority.Dispose();
        NetworkAuthority.RotateIssuer(keys, null, Clock.GetUtcNow());
        Authority = NetworkAuthority.Open(keys, null, Clock.GetUtcNow());
        Compose();
    }

    /// <summary>A revocation list of a managed network's master, base64.</summary>
    public string MasterList(int number, params SerialNumber[] serials)
    {
        using ECDsa key = SecretFile.ReadKey(Path.Combine(_folder, "keys", "master.key"));
        DateTimeOffset now = Clock.GetUtcNow();
        RevocationList list = new CertificateAuthority(Authority.Certificates[0], key)
            .SignRevocationList(number, now, [.. serials.Select(serial => new RevokedCertificate(serial, now))]);
        return Convert.ToBase64String(list.Der.Span);
    }

    /// <summary>Makes a zone.</summary>
    public Task<Guid> CreateZoneAsync(string name, params string[] prefixes) =>
        Store.WriteAsync(change => Zones.Create(change, Administrator, name, "", [.. prefixes.Select(text => IpPrefix.Parse(text))]));

    /// <summary>Makes a token for a zone.</summary>
    public async Task<string> CreateTokenAsync(string zone = "default", string[]? allowedPrefixes = null, int uses = 1, int? lifetime = null, bool ephemeral = false)
    {
        var wanted = new TokenCreation { Zone = zone, MaxUses = uses, LifetimeSeconds = lifetime, Ephemeral = ephemeral };
        return (await Store.WriteAsync(change => JoinTokens.Create(
            change, Administrator, Zones.Find(change, zone), wanted, [.. (allowedPrefixes ?? []).Select(text => IpPrefix.Parse(text))]))).Secret;
    }

    /// <summary>The nodes of a zone as the push side reads them.</summary>
    public async Task<IReadOnlyList<MapNode>> ReadMapAsync(Guid zone) => (await Store.ReadZoneAsync(zone, default))!.Nodes;

    /// <summary>The actions of the audit log, in order.</summary>
    public IReadOnlyList<string> ReadAudit() => Store.Read(reader => reader.List($"SELECT action || ' ' || detail FROM audit ORDER BY sequence", row => row.Text(0)));

    [MemberNotNull(nameof(Certification), nameof(Enrolments), nameof(Registry), nameof(Maintenance))]
    private void Compose()
    {
        Certification = new Certification(Authority);
        Enrolments = new Enrolments(Store, Certification, Challenges, Presence, Budget, Reached, Pin);
        Registry = new Registry(Store, Certification, Presence, Reached);
        Maintenance = new Maintenance(Store, Certification, Registry, Presence, Budget, new AuditLog(MostDays: 90, MostEntries: 5000), Clock, NullLogger.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        Authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
