using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Node.Connecting;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.WireGuard;

namespace Kedge.Bench.Fleet;

/// <summary>
/// What all simulated nodes of this process share, because one machine would not have to do it a thousand times: the check of a
/// certificate's signature, its bytes in memory, and the notes of who has heard what.
/// </summary>
internal sealed class SharedMemory
{
    private readonly ConcurrentDictionary<Guid, MapPeer> _records = new();

    public VerifiedCertificates Certificates { get; } = new();

    /// <summary>When each node heard first of the beginning of another, after its own first map.</summary>
    public Hearsay Came { get; } = new();

    /// <summary>When each node heard of the end of another.</summary>
    public Hearsay Went { get; } = new();

    public MapPeer Share(MapPeer peer)
    {
        MapPeer shared = _records.GetOrAdd(peer.Id, peer);
        if (!shared.Certificate.Span.SequenceEqual(peer.Certificate.Span) || shared.FixedEndpoint != peer.FixedEndpoint)
            _records[peer.Id] = shared = peer;
        return shared;
    }
}

/// <summary>A node with the real control link's client and map, and without a device: it notes when it has heard what.</summary>
internal sealed class SimulatedNode : IDisposable
{
    private readonly ControllerAddress _controller;
    private readonly SharedMemory _shared;
    private readonly int _number;
    private readonly ECDsa _identity = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly byte[] _wireGuardKey = RandomNumberGenerator.GetBytes(32);
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ControllerClient? _client;
    private Task _watching = Task.CompletedTask;

    /// <param name="controller">The controller.</param>
    /// <param name="shared">What it shares with the others.</param>
    /// <param name="number">Its place in <see cref="Hearsay"/>, counted from 0.</param>
    public SimulatedNode(ControllerAddress controller, SharedMemory shared, int number) =>
        (_controller, _shared, _number) = (controller, shared, number);

    public Guid Id { get; private set; }

    /// <summary>When its first map was complete, and when it began to leave, in timestamps; the latter is never as long as it stays.</summary>
    public long ReadyAt { get; private set; }

    /// <inheritdoc cref="ReadyAt"/>
    public long LeftAt { get; private set; } = long.MaxValue;

    /// <summary>Its place in <see cref="Hearsay"/>.</summary>
    public int Number => _number;

    /// <summary>How many whole maps it was sent.</summary>
    public int Snapshots { get; private set; }

    /// <summary>How often its stream broke and was begun again.</summary>
    public int Reconnections { get; private set; }

    /// <summary>Why it broke last; null as long as all is well.</summary>
    public string? Failure { get; private set; }

    /// <summary>Joins, and returns when it has its first map.</summary>
    public async Task JoinAsync(string name, string token)
    {
        EnrolmentResult joined = await EnrolAsync(name, token);
        Id = joined.NodeId;
        byte[] certificate = Convert.FromBase64String(joined.Certificate!);
        _client = new ControllerClient(_controller, certificate, _identity, TimeProvider.System);
        _watching = Task.Run(() => WatchAsync(joined.ZoneId, certificate));
        await _ready.Task;
    }

    /// <summary>Leaves. Its stream is cut off by the controller.</summary>
    public async Task LeaveAsync()
    {
        LeftAt = Stopwatch.GetTimestamp();
        await _client!.LeaveAsync(CancellationToken.None);
        await StopAsync();
    }

    /// <summary>Goes away without a word.</summary>
    public async Task StopAsync()
    {
        LeftAt = Math.Min(LeftAt, Stopwatch.GetTimestamp());
        await _ending.CancelAsync();
        await _watching;
        _client?.Dispose();
        _client = null;
    }

    public void Dispose()
    {
        _client?.Dispose();
        _identity.Dispose();
        _ending.Dispose();
    }

    private async Task<EnrolmentResult> EnrolAsync(string name, string token)
    {
        var publicKey = new byte[X25519.KeySize];
        X25519.PublicKey(_wireGuardKey, publicKey);
        var request = new EnrolmentRequest
        {
            Name = name,
            IdentityKey = Convert.ToBase64String(_identity.ExportSubjectPublicKeyInfo()),
            WireGuardKey = PublicKey.FromBytes(publicKey).ToString(),
            Endpoints = [new NodeEndpoint($"198.51.100.{publicKey[0]}:{1024 + publicKey[1] * 7}", "reflexive")],
        };
        while (true)
        {
            using var client = new ControllerClient(_controller, null, null, TimeProvider.System);
            try
            {
                return await client.EnrolAsync(request, token, _identity, _wireGuardKey, CancellationToken.None);
            }
            catch (ControllerException e) when (!e.IsRefusal)
            {
                Failure = e.Message;
                Reconnections++;
            }
        }
    }

    // As the control link does: what breaks is begun again a little later, where it was.
    private async Task WatchAsync(Guid zone, ReadOnlyMemory<byte> certificate)
    {
        var map = new NetworkMap(Id, _shared.Share);
        var backoff = new Backoff(new Random(Id.GetHashCode()));
        while (LeftAt == long.MaxValue)
        {
            try
            {
                await foreach (ReadOnlyMemory<byte> line in _client!.WatchAsync(map.Position, _ending.Token))
                    Take(map, line.Span, zone);
                Failure = "the controller ended it";
            }
            catch (Exception) when (LeftAt != long.MaxValue)
            {
                return;
            }
            catch (ControllerException e)
            {
                Failure = e.Message;
            }
            Reconnections++;
            await Task.Delay(backoff.Next(), _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _client?.Dispose();
            _client = new ControllerClient(_controller, certificate, _identity, TimeProvider.System);
        }
    }

    private void Take(NetworkMap map, ReadOnlySpan<byte> line, Guid zone)
    {
        bool wasEmpty = map.IsEmpty;
        if (line.StartsWith("{\"type\":\"snapshot\""u8))
            Snapshots++;
        switch (map.Apply(line))
        {
            case MapOutcome.Committed:
                Note(map, zone, wasEmpty);
                break;
            case MapOutcome.Diverged or MapOutcome.Refused:
                Failure = "the map does not fit";
                break;
        }
    }

    private void Note(NetworkMap map, Guid zone, bool isFirst)
    {
        long now = Stopwatch.GetTimestamp();
        NetworkTrust trust = _shared.Certificates.Merge(NetworkTrust.Empty(_controller.Network), map.Trust!);
        foreach (Guid id in map.Difference.Peers)
        {
            if (map.Peers.TryGetValue(id, out MapPeer? peer))
            {
                if (_shared.Certificates.Verify(peer.Certificate, trust, zone, out _) is { } refusal)
                    throw new InvalidOperationException(refusal.ToString());
                if (!isFirst)
                    _shared.Came.Note(id, _number, now);
            }
            else
            {
                _shared.Went.Note(id, _number, now);
            }
        }
        if (isFirst || (ReadyAt == 0 && map.Self is not null))
        {
            ReadyAt = now;
            _ready.TrySetResult();
        }
    }
}
