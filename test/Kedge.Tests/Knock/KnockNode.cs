using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Knock;
using Kedge.Protocol.WireGuard;
using Kedge.Tests.Certificates;

namespace Kedge.Tests.Knock;

/// <summary>A node that knocks and is knocked at, on the network of a <see cref="KnockWorld"/>.</summary>
internal sealed class KnockNode : IPeerAdmission, IDisposable
{
    /// <summary>How many datagrams its queue would hold.</summary>
    public const int QueueCapacity = 256;

    private readonly KnockWorld _world;
    private readonly byte[] _key = new byte[X25519.KeySize];

    public KnockNode(KnockWorld world, int number)
    {
        (_world, Number) = (world, number);
        Address = new Endpoint(IpAddress.IPv4(0xCB007100 + (uint)number), 7891);
        world.Random.NextBytes(_key);
        using var identity = new LocalIdentity(_key);
        PublicKey = identity.PublicKey;
        Trust = world.Network.Trust();
        Restart();
    }

    public int Number { get; }

    public Endpoint Address { get; }

    public PublicKey PublicKey { get; }

    public KnockProtocol Protocol { get; private set; } = null!;

    public NetworkTrust Trust { get; set; }

    /// <summary>What a certificate must not have.</summary>
    public Predicate<NodeCertificate> Taken { get; set; } = _ => false;

    /// <summary>How far its clock is ahead.</summary>
    public TimeSpan ClockError { get; private set; }

    /// <summary>How many knocks it pretends to have waiting.</summary>
    public int Waiting { get; set; }

    /// <summary>Its certificate, DER.</summary>
    public byte[] Certificate { get; private set; } = [];

    /// <summary>The network that it believes to be in.</summary>
    public Sha256Digest? NetworkId { get; private set; }

    public List<KnockOutcome> Outcomes { get; } = [];

    public IEnumerable<KnockOutcome> Accepted => Outcomes.Where(outcome => outcome.Refusal.IsAccepted);

    public List<DropReason> Drops { get; } = [];

    /// <summary>What is certified of it, unless a test says otherwise.</summary>
    public NodeSubject Subject => _world.Network.Subject() with
    {
        Name = $"node-{Number}",
        WireGuardKey = PublicKey,
        Addresses = [IpAddress.IPv4(0x0AC80000 + (uint)Number)],
    };

    /// <summary>Gives it a certificate, or another network.</summary>
    public void Use(byte[] certificate, Sha256Digest? network = null)
    {
        (Certificate, NetworkId) = (certificate, network ?? _world.Network.Id);
        Protocol.Use(_world.Now, new KnockCredentials(NetworkId.Value, new LocalIdentity(_key), certificate), this);
    }

    /// <summary>Lets it forget all but key and certificate.</summary>
    public void Restart()
    {
        Protocol?.Dispose();
        Protocol = new KnockProtocol(_world.Random.NextBytes, () => Waiting, QueueCapacity);
        SetClock(ClockError);
        Use(Certificate.Length > 0 ? Certificate : _world.Network.Certify(Subject).Der.ToArray(), NetworkId);
    }

    public void SetClock(TimeSpan error)
    {
        ClockError = error;
        Protocol.SetTime(_world.Now, _world.Time + error);
    }

    public void Knock(KnockNode other)
    {
        Protocol.Knock(_world.Now, other.Address);
        Poll();
    }

    public void Poll()
    {
        byte[] datagram = new byte[1280];
        for (int sent = 0; Protocol.Poll(_world.Now, datagram) is { Sends: true } outcome; sent++)
        {
            Assert.True(sent < 100, "It sends without end.");
            _world.Send(Address, outcome.Remote, datagram[..outcome.Outcome.Length]);
        }
        Collect();
    }

    /// <summary>Takes a datagram and sends what it answers.</summary>
    /// <returns>The answer; null for none.</returns>
    public byte[]? Receive(byte[] datagram, Endpoint source)
    {
        byte[] question = [.. datagram], reply = new byte[1280];
        if (Datagram.Classify(datagram) != DatagramKind.Knock)
            return null;
        DropReason reason = Protocol.Check(datagram, source);
        if (reason != DropReason.None)
        {
            Drops.Add(reason);
            return null;
        }
        ControlOutcome outcome = Protocol.Receive(_world.Now, datagram, source, Address, reply);
        Collect();
        if (!outcome.Sends)
        {
            Drops.Add(outcome.Outcome.Reason);
            return null;
        }
        byte[] answer = reply[..outcome.Outcome.Length];
        Assert.Equal(DatagramKind.Knock, Datagram.Classify(answer));
        if (answer[0] is not (Datagram.KnockInitiation or Datagram.KnockConfirmation or Datagram.KnockPart))
            Assert.True(answer.Length <= question.Length, "An answer is longer than its question.");
        _world.Send(Address, outcome.Remote, answer);
        return answer;
    }

    public CertificateRefusal? Verify(NodeCertificate certificate, DateTimeOffset time) =>
        Trust.Verify(certificate, TestNetwork.Zone, time);

    public bool IsTaken(NodeCertificate certificate) => Taken(certificate);

    public void Dispose() => Protocol.Dispose();

    private void Collect()
    {
        while (Protocol.TryTakeOutcome(out KnockOutcome outcome))
            Outcomes.Add(outcome);
    }
}
