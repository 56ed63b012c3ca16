using System.Security.Cryptography;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Knock;
using Kedge.Protocol.WireGuard;
using Kedge.Tests.Certificates;

namespace Kedge.Tests.Knock;

/// <summary>Whom a node does not admit, what it says then, and what it does not show.</summary>
public sealed class KnockRefusalTests : IDisposable
{
    private readonly KnockWorld _world = new();
    private readonly TestNetwork _other = new();

    public static TheoryData<string, CertificateRefusal> Certificates => new()
    {
        { "malformed", CertificateRefusal.Malformed },
        { "expired", CertificateRefusal.Expired },
        { "early", CertificateRefusal.NotYetValid },
        { "revoked", CertificateRefusal.Revoked },
        { "another key", CertificateRefusal.WrongKey },
        { "another network", CertificateRefusal.WrongNetwork },
        { "another zone", CertificateRefusal.WrongZone },
        { "forged", CertificateRefusal.BadSignature },
        { "foreign prefix", CertificateRefusal.GrownPrefix },
    };

    public void Dispose()
    {
        _other.Dispose();
        _world.Dispose();
    }

    [Theory]
    [MemberData(nameof(Certificates))]
    public void An_initiator_that_is_refused_is_told_why(string kind, CertificateRefusal refusal)
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        a.Use(Make(kind, a, b));
        a.Knock(b);
        _world.Run(20);
        Assert.Equal((KnockResult.CertificateRefused, true, refusal), Told(Assert.Single(a.Outcomes)));
        Assert.Equal((KnockResult.CertificateRefused, false, refusal), Told(Assert.Single(b.Outcomes)));
        Assert.Equal(a.Address, b.Outcomes[0].Remote);
        Assert.Contains(refusal.Sentence(), a.Outcomes[0].Refusal.Sentence(), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Certificates))]
    public void An_initiator_that_refuses_shows_nothing(string kind, CertificateRefusal refusal)
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        b.Use(Make(kind, b, a));
        a.Knock(b);
        _world.Run(20);
        Assert.Equal((KnockResult.CertificateRefused, false, refusal), Told(Assert.Single(a.Outcomes)));
        Assert.Empty(b.Outcomes);
        Assert.Equal([Datagram.KnockInitiation, Datagram.KnockResponse], _world.Seen.Select(sent => sent.Type));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Who_has_an_address_of_another_is_refused(bool byPeer)
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        (byPeer ? b : a).Taken = certificate => certificate.Name.StartsWith("node-", StringComparison.Ordinal);
        a.Knock(b);
        _world.Run(20);
        Assert.Equal((KnockResult.AddressTaken, byPeer, null), Told(Assert.Single(a.Outcomes)));
        Assert.Equal(byPeer ? 1 : 0, b.Outcomes.Count);
        Assert.NotEmpty(a.Outcomes[0].Refusal.Sentence());
    }

    [Theory]
    [InlineData(-20, true, CertificateRefusal.NotYetValid)]
    [InlineData(20, true, CertificateRefusal.Expired)]
    [InlineData(-20, false, CertificateRefusal.NotYetValid)]
    [InlineData(20, false, CertificateRefusal.Expired)]
    public void A_clock_that_is_wrong_is_blamed(int days, bool byPeer, CertificateRefusal refusal)
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        (byPeer ? b : a).SetClock(TimeSpan.FromDays(days));
        a.Knock(b);
        _world.Run(20);
        KnockOutcome outcome = Assert.Single(a.Outcomes);
        Assert.Equal((KnockResult.ClocksDiffer, byPeer, refusal), Told(outcome));
        Assert.Equal((byPeer ? days : -days), Math.Round(outcome.Refusal.ClockDifference.TotalDays, 3));
        Assert.Contains($"{20 * 24 * 60} minutes", outcome.Refusal.Sentence(), StringComparison.Ordinal);
        if (byPeer)
            Assert.Equal(-days, Math.Round(Assert.Single(b.Outcomes).Refusal.ClockDifference.TotalDays, 3));
    }

    [Fact]
    public void Every_result_has_a_sentence_and_what_is_told_has_its_number()
    {
        foreach (KnockResult result in Enum.GetValues<KnockResult>())
            Assert.NotEmpty(new KnockRefusal(result).Sentence());
        Assert.Throws<ArgumentOutOfRangeException>(() => new KnockRefusal((KnockResult)200).Sentence());
        Assert.Equal(
            [KnockResult.Accepted, KnockResult.CertificateRefused, KnockResult.AddressTaken, KnockResult.ClocksDiffer, KnockResult.Other],
            Enumerable.Range(0, 5).Select(number => (KnockResult)number));
        Assert.Equal((0, 12, 13, 19, 21), (
            (int)CertificateRefusal.Malformed, (int)CertificateRefusal.BadAddressBlocks, (int)CertificateRefusal.WrongNetwork,
            (int)CertificateRefusal.Revoked, (int)CertificateRefusal.Expired));
    }

    [Fact]
    public void What_a_later_version_says_is_a_reason_that_is_not_known()
    {
        KnockRefusal refusal = KnockResultMessage.Read([77, 200, 9, 9, 0, 0, 0, 0x80]);
        Assert.Equal((KnockResult.Other, true, null), (refusal.Result, refusal.IsByPeer, refusal.Certificate));
        Assert.NotEmpty(refusal.Sentence());
        Span<byte> written = new byte[8];
        var told = new KnockRefusal(KnockResult.ClocksDiffer, false, CertificateRefusal.Expired, TimeSpan.FromSeconds(-90));
        KnockResultMessage.Write(told, written);
        Assert.Equal(told with { IsByPeer = true, ClockDifference = TimeSpan.FromSeconds(90) }, KnockResultMessage.Read(written));
    }

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    [InlineData(0)]
    public void Any_time_of_a_peer_is_a_difference(long seconds) =>
        Assert.InRange(KnockMessage.ClockDifference(seconds, _world.Time).TotalSeconds, int.MinValue, int.MaxValue);

    private static (KnockResult Result, bool IsByPeer, CertificateRefusal? Certificate) Told(KnockOutcome outcome) =>
        (outcome.Refusal.Result, outcome.Refusal.IsByPeer, outcome.Refusal.Certificate);

    private byte[] Make(string kind, KnockNode node, KnockNode judge)
    {
        TestNetwork network = _world.Network;
        switch (kind)
        {
            case "malformed":
                return new byte[600];
            case "expired":
                return network.Certify(node.Subject, to: TestNetwork.Start.AddHours(1)).Der.ToArray();
            case "early":
                return network.Certify(node.Subject, from: TestNetwork.Start.AddDays(3)).Der.ToArray();
            case "revoked":
                NodeCertificate revoked = network.Certify(node.Subject);
                judge.Trust = network.Trust(network.Issuer.SignRevocationList(
                    1, TestNetwork.Start, [new RevokedCertificate(revoked.Serial, TestNetwork.Start)]));
                return revoked.Der.ToArray();
            case "another key":
                return network.Certify(node.Subject with { WireGuardKey = network.NextWireGuardKey() }).Der.ToArray();
            case "another network":
                return _other.Certify(node.Subject).Der.ToArray();
            case "another zone":
                return network.Certify(node.Subject with { ZoneId = Guid.Empty }).Der.ToArray();
            case "forged":
                byte[] forged = network.Certify(node.Subject).Der.ToArray();
                forged[forged.AsSpan().IndexOf("node-"u8)] = (byte)'m';
                return forged;
            case "foreign prefix":
                // The issuer that the other end knows may certify 10.201.0.0/16 alone.
                using (ECDsa key = TestNetwork.NewKey())
                {
                    CertificateForge narrow = CertificateForge.Authority(network, key)
                        .Replace("1.3.6.1.5.5.7.1.7", CertificateForge.Blocks(Der.Hex("0303 00 0AC9")))
                        .Replace("2.5.29.14", Der.Octets(Convert.FromHexString(network.Issuer.Certificate.KeyIdentifier)));
                    narrow.Subject = Der.Name(0x0C, "Harbour issuer");
                    byte[] master = network.Master.Certificate.Der.ToArray();
                    judge.Trust = NetworkTrust.Create(network.Id, [master, narrow.Sign(network.MasterKey)], []);
                    return LargeCertificate.ForgeOf(network, node).Sign(key);
                }
            default:
                throw new ArgumentException(kind, nameof(kind));
        }
    }
}
