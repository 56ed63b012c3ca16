using System.Security.Cryptography;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Discovery.Simulation;

/// <summary>A node of a <see cref="SimulatedNetwork"/>: the discovery, and a device as simple as can be.</summary>
internal sealed class SimulatedNode : IDisposable
{
    private static readonly TimeSpan KnockInterval = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan HandshakeInterval = TimeSpan.FromSeconds(5);

    private readonly SimulatedNetwork _network;
    private readonly ECDsa _identity;
    private readonly MemberChecks? _checks;
    private readonly Dictionary<PublicKey, HashSet<Endpoint>> _installed = []; // and where they may be
    private readonly Dictionary<PublicKey, Endpoint> _sessions = []; // and where they were heard from
    private Instant _wakeAt = Instant.Never;

    public SimulatedNode(SimulatedNetwork network, NodeCertificate certificate, ECDsa identity, MemberChecks? checks)
    {
        (_network, Certificate, _identity, _checks) = (network, certificate, identity, checks);
        Id = NodeId.Of(certificate.WireGuardKey);
        Place = network.NextPlace();
    }

    public NodeCertificate Certificate { get; private set; }

    public PublicKey Key => Certificate.WireGuardKey;

    public NodeId Id { get; }

    public IpAddress Address => Certificate.Addresses[0];

    public Endpoint Place { get; private set; }

    public bool IsRunning { get; private set; }

    public bool IsKeyShared { get; init; }

    public DiscoveryProtocol Protocol { get; private set; } = null!;

    /// <summary>All that the protocol has told, but for what is to be kept.</summary>
    public List<DiscoveryOutcome> Outcomes { get; } = [];

    /// <summary>What it has told to keep: by node the newest.</summary>
    public Dictionary<PublicKey, MemberKept> Store { get; } = [];

    public NetworkTrust Trust { get; set; } = null!;

    public long Sent { get; private set; }

    public IEnumerable<PublicKey> Sessions => _sessions.Keys;

    /// <summary>Sees frames that this node would send; says whether to send them.</summary>
    public Func<PublicKey, byte[], bool> Sends { get; set; } = (_, _) => true;

    /// <summary>Starts it with what it keeps.</summary>
    public void Run()
    {
        Trust ??= _network.Trust;
        Protocol = new DiscoveryProtocol(
            new DiscoverySettings
            {
                Certificate = Certificate,
                Sign = _checks is SimulationChecks ? SimulationChecks.Sign : Sign,
                Trust = Trust,
                Random = _network.Random.NextBytes,
                Checks = _checks ?? new MemberChecks(),
            },
            _network.Now,
            _network.Time);
        Protocol.SetEndpoints(_network.Now, [new PeerEndpoint(Place, PeerEndpointKind.Reflexive)]);
        Protocol.SetReachedByStrangers(_network.Now, _network.AllowsKnocks);
        foreach (MemberKept kept in Store.Values)
            Protocol.Restore(_network.Now, kept.Certificate, kept.Record);
        IsRunning = true;
        Pump();
    }

    /// <summary>It is gone without a word; others notice when their sessions with it end.</summary>
    public void Stop()
    {
        IsRunning = false;
        _installed.Clear();
        foreach (PublicKey key in _sessions.Keys)
            _network.Find(key)!.NoticeSilence(this);
        _sessions.Clear();
    }

    /// <summary>Starts it anew, under the same name.</summary>
    public void Restart(bool keepsState)
    {
        if (IsRunning)
            Stop();
        if (!keepsState)
            Store.Clear();
        _wakeAt = Instant.Never;
        Run();
    }

    /// <summary>It is somewhere else from now on, and notices it after a while.</summary>
    public void Move(double noticedAfter = 1)
    {
        Place = _network.NextPlace();
        _network.After(TimeSpan.FromSeconds(noticedAfter), () =>
        {
            Protocol.SetEndpoints(_network.Now, [new PeerEndpoint(Place, PeerEndpointKind.Reflexive)]);
            Pump();
        });
    }

    /// <summary>Introduces this node to another one and the other way round.</summary>
    public void Knock(SimulatedNode other)
    {
        other.Install(Certificate, [Place]);
        Install(other.Certificate, [other.Place]);
    }

    public void LookUp(IpAddress address)
    {
        Protocol.LookUp(_network.Now, address);
        Pump();
    }

    /// <summary>Whether it has found a node where that is.</summary>
    public bool HasFound(SimulatedNode other) => Outcomes.OfType<MemberFound>().Any(found =>
        found.Certificate.WireGuardKey == other.Key && found.Record.Endpoints.Any(endpoint => endpoint.Address == other.Place));

    /// <summary>Whether one of the three anchors that it would ask runs and knows where a node is.</summary>
    public bool CouldFind(SimulatedNode other) => this == other
        || Protocol.AnchorsFor(_network.Now, other.Address).Take(3)
            .Select(anchor => _network.Find(anchor.WireGuardKey)!)
            .Any(anchor => anchor.IsRunning && (anchor == other || anchor.Protocol.Knows(_network.Now, other.Id)));

    public bool IsConnected(SimulatedNode other) => _sessions.ContainsKey(other.Key) && other._sessions.ContainsKey(Key);

    public void Receive(PublicKey from, byte[] frame)
    {
        if (!IsRunning)
            return;
        Protocol.Receive(_network.Now, from, frame);
        Pump();
    }

    public void Wake()
    {
        if (!IsRunning || _network.Now < _wakeAt)
            return;
        _wakeAt = Instant.Never;
        Pump();
    }

    /// <summary>Has a session end.</summary>
    public void Disconnect(PublicKey key)
    {
        _installed.Remove(key);
        if (!_sessions.Remove(key))
            return;
        Protocol.PeerGone(_network.Now, key);
        Pump();
    }

    public void Pump()
    {
        for (int i = 0; i < 100 && Protocol.NextDeadline <= _network.Now; i++)
            Protocol.Poll(_network.Now);
        if (Protocol.NextDeadline <= _network.Now)
            throw new InvalidOperationException("Something is due without end.");
        while (Protocol.TryTakeFrame(out PublicKey to, out byte[] frame))
            Send(to, frame);
        while (Protocol.TakeOutcome() is { } outcome)
            Take(outcome);
        if (Protocol.NextDeadline <= _network.Now)
            Protocol.Poll(_network.Now);
        if (Protocol.NextDeadline < _wakeAt)
        {
            _wakeAt = Protocol.NextDeadline;
            _network.WakeAt(_wakeAt, this);
        }
    }

    public void Dispose()
    {
        if (!IsKeyShared)
            _identity.Dispose();
    }

    private void Sign(ReadOnlySpan<byte> hash, Span<byte> signature) =>
        _identity.SignHash(hash, signature, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    private void Send(PublicKey to, byte[] frame)
    {
        if (frame.Length > DiscoveryFrame.MaximumSize)
            throw new InvalidOperationException("A frame is too long.");
        if (!_sessions.TryGetValue(to, out Endpoint place) || !Sends(to, frame))
            return;
        Sent++;
        _network.Messages++;
        _network.Bytes += frame.Length;
        SimulatedNode receiver = _network.Find(to)!;
        Endpoint from = Place;
        if (_network.IsLost())
            return;
        _network.After(_network.NextDelay(), () =>
        {
            if (receiver.Place != place || !receiver._sessions.ContainsKey(Key))
                return;
            receiver._sessions[Key] = from; // it roams
            receiver.Receive(Key, frame);
        });
    }

    private void Take(DiscoveryOutcome outcome)
    {
        switch (outcome)
        {
            case MemberKept kept:
                Store[kept.Certificate.WireGuardKey] = kept;
                return;
            case ConnectionWanted wanted:
                Install(wanted.Certificate, wanted.Record.Endpoints.Select(endpoint => endpoint.Address));
                Knock(wanted.Certificate.WireGuardKey);
                break;
            case MemberFound found:
                Install(found.Certificate, found.Record.Endpoints.Select(endpoint => endpoint.Address));
                break;
            case MemberIntroduced introduced:
                Install(introduced.Certificate, introduced.Record.Endpoints.Select(endpoint => endpoint.Address));
                break;
            case EndpointsTold told:
                Install(told.Certificate, told.Endpoints.Select(endpoint => endpoint.Address));
                break;
            case MemberRevoked revoked:
                Disconnect(revoked.Certificate.WireGuardKey);
                break;
            case TrustChanged changed:
                Trust = changed.Trust;
                break;
        }
        if (_checks is null)
            Outcomes.Add(outcome);
        else if (outcome is MemberFound or MemberNotFound)
            Outcomes.Add(outcome);
    }

    private void Install(NodeCertificate certificate, IEnumerable<Endpoint> places)
    {
        PublicKey key = certificate.WireGuardKey;
        if (_network.Find(key) is not { } other || Trust.RevocationLists.Any(list => list.Contains(certificate.Serial)))
            return;
        if (!_installed.TryGetValue(key, out HashSet<Endpoint>? known))
            _installed.Add(key, known = []);
        known.UnionWith(places);
        if (_sessions.ContainsKey(key) && known.Contains(other.Place))
            _sessions[key] = other.Place; // as the paths find out
        if (!IsConnected(other))
            Handshake(other);
    }

    // Two round trips; one of four datagrams may be lost, which is as if it took longer.
    private void Knock(PublicKey key)
    {
        if (!_network.AllowsKnocks)
            return;
        TimeSpan time = 4 * _network.NextDelay();
        for (int i = 0; i < 4; i++)
            time += _network.IsLost() ? KnockInterval : TimeSpan.Zero;
        _network.After(time, () =>
        {
            if (_network.Find(key) is not { } other)
                return;
            bool isThere = IsRunning && other.IsRunning && _installed.GetValueOrDefault(key)?.Contains(other.Place) == true;
            if (isThere && !IsConnected(other))
                other.Install(Certificate, [Place]);
        });
    }

    // A handshake takes a round trip, and is begun again after a while if a datagram of it is lost.
    private void Handshake(SimulatedNode other)
    {
        bool areIntroduced = IsRunning && other.IsRunning
            && _installed.TryGetValue(other.Key, out HashSet<Endpoint>? places) && other._installed.TryGetValue(Key, out HashSet<Endpoint>? back)
            && (places.Contains(other.Place) || back.Contains(Place));
        if (!areIntroduced)
            return;
        if (_network.IsLost() || _network.IsLost())
        {
            _network.After(HandshakeInterval, () =>
            {
                if (!IsConnected(other))
                    Handshake(other);
            });
            return;
        }
        _network.After(2 * _network.NextDelay(), () =>
        {
            if (!IsRunning || !other.IsRunning || IsConnected(other) || !_installed.ContainsKey(other.Key) || !other._installed.ContainsKey(Key))
                return;
            _network.Sessions++;
            Connect(other);
            other.Connect(this);
        });
    }

    private void Connect(SimulatedNode other)
    {
        _sessions[other.Key] = other.Place;
        Protocol.PeerConnected(_network.Now, other.Certificate);
        Pump();
    }

    private void NoticeSilence(SimulatedNode other) => _network.After(_network.SessionTime, () =>
    {
        if (IsRunning && !other._sessions.ContainsKey(Key))
            Disconnect(other.Key);
    });
}
