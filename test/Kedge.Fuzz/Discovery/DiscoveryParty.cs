using System.Security.Cryptography;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.Discovery;

/// <summary>A node of a <see cref="DiscoveryTarget"/>. What its node signs is noted, and nothing else is believed.</summary>
internal sealed class DiscoveryParty : MemberChecks
{
    private static readonly DateTimeOffset Time = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly CertificateAuthority Master = CertificateAuthority.CreateMaster(
        "master", Key, SerialNumber.Create(bytes => bytes.Fill(1)), Time.AddDays(-1), Time.AddYears(1));

    private static readonly NetworkTrust Trust = NetworkTrust.Create(Master.Certificate.NetworkId, [Master.Certificate.Der.ToArray()], []);

    /// <summary>A trust that refuses the last of the certificates.</summary>
    private static readonly NetworkTrust LaterTrust = Trust.Merge(
        [], [Master.SignRevocationList(1, Time, [new RevokedCertificate(Certify(3).Serial, Time)]).Der.ToArray()]);

    private static readonly NodeCertificate[] Certificates = [.. Enumerable.Range(0, 4).Select(Certify)];

    private readonly HashSet<string> _signed;

    /// <summary>Starts a node, of a number from 0 to 3.</summary>
    public DiscoveryParty(int index, Instant now, Random random, HashSet<string> signed)
    {
        _signed = signed;
        Certificate = Certificates[index];
        Protocol = new DiscoveryProtocol(
            new DiscoverySettings { Certificate = Certificate, Sign = Sign, Trust = Trust, Random = random.NextBytes, Checks = this }, now, Time);
        Protocol.SetEndpoints(now, [new PeerEndpoint(new Endpoint(IpAddress.IPv4(0xCB007100 + (uint)index), 7891), PeerEndpointKind.Reflexive)]);
        Protocol.Poll(now);
    }

    public NodeCertificate Certificate { get; }

    public PublicKey PublicKey => Certificate.WireGuardKey;

    public DiscoveryProtocol Protocol { get; }

    /// <summary>The peers that it has a session with.</summary>
    public HashSet<int> Connected { get; } = [];

    /// <summary>Makes the certificate of the node of a number, from 0 to 200.</summary>
    public static NodeCertificate Certify(int index)
    {
        byte[] key = new byte[PublicKey.Size];
        key.AsSpan().Fill((byte)(index + 1));
        return Master.CertifyNode(
            new NodeSubject
            {
                Name = $"node-{index}",
                ZoneId = NetworkZone.IdOf(Master.Certificate.NetworkId),
                IdentityKey = P256PublicKey.Of(Key),
                WireGuardKey = PublicKey.FromBytes(key),
                Addresses = [IpAddress.IPv4(0x0A000000 + (uint)index)],
                Tags = index == 2 ? [.. Enumerable.Range(0, 16).Select(i => $"{i:D2}{new string('t', 50)}")] : [], // longer than a frame
            },
            SerialNumber.Create(bytes => bytes.Fill((byte)(index + 2))),
            Time.AddDays(-1),
            Time.AddDays(1));
    }

    public void Revoke(Instant now) => Protocol.UseTrust(now, LaterTrust);

    /// <summary>Takes all that it says, and looks whether it may.</summary>
    public IEnumerable<(PublicKey To, byte[] Frame)> Take(Instant now)
    {
        for (int i = 0; i < 20 && Protocol.NextDeadline <= now; i++)
            Protocol.Poll(now);
        Invariant.Holds(Protocol.NextDeadline > now, "what is due is done");
        while (Protocol.TakeOutcome() is { } outcome)
            Check(outcome);
        List<(PublicKey, byte[])> taken = [];
        while (Protocol.TryTakeFrame(out PublicKey to, out byte[] frame))
        {
            Invariant.Holds(frame.Length is >= 8 and <= DiscoveryFrame.MaximumSize && frame[0] == DiscoveryFrame.Type, "what is sent is a frame");
            Invariant.Equal(frame.Length, frame[2] | frame[3] << 8, "a frame says how long it is");
            taken.Add((to, frame));
        }
        Invariant.Holds(taken.Count <= 200, "little is said at once");
        return taken;
    }

    public override bool IsSigned(NodeRecord record, NodeCertificate certificate) =>
        record.IsOf(certificate) && _signed.Contains(Convert.ToHexString(record.Bytes.Span[^64..]));

    private void Sign(ReadOnlySpan<byte> hash, Span<byte> signature)
    {
        SHA512.HashData(hash, signature);
        _signed.Add(Convert.ToHexString(signature));
    }

    private void Check(DiscoveryOutcome outcome)
    {
        NodeRecord? record = outcome switch
        {
            MemberFound found => found.Record,
            MemberIntroduced introduced => introduced.Record,
            ConnectionWanted wanted => wanted.Record,
            EndpointsTold told => told.Record,
            MemberKept kept => kept.Record,
            _ => null,
        };
        Invariant.Holds(record is null || _signed.Contains(Convert.ToHexString(record.Bytes.Span[^64..])), "what is believed was signed");
        if (outcome is MemberFound one)
            Invariant.Holds(one.Certificate.Prefixes.Any(prefix => prefix.Contains(one.Address)), "who is found has the address");
    }
}
