using System.Security.Cryptography;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Tests.Certificates;

namespace Kedge.Tests.Discovery;

/// <summary>Records: what they look like, and which of them are believed.</summary>
public sealed class NodeRecordTests : IDisposable
{
    private static readonly DateTimeOffset Time = TestNetwork.Start.AddDays(1);

    private readonly TestNetwork _network = new();
    private readonly NodeCertificate _certificate;

    public NodeRecordTests() => _certificate = _network.Certify();

    public void Dispose() => _network.Dispose();

    [Fact]
    public void A_record_is_read_as_it_was_made()
    {
        PeerEndpoint[] endpoints =
        [
            new(Endpoint.Parse("192.0.2.1:7891"), PeerEndpointKind.Fixed),
            new(Endpoint.Parse("[2001:db8::1]:1"), PeerEndpointKind.Reflexive),
            new(Endpoint.Parse("10.0.0.1:65535"), PeerEndpointKind.Relay),
        ];
        NodeId[] homes = [new(1), new(ulong.MaxValue), new(0x0123456789abcdef)];
        NodeRecord made = Make(endpoints: endpoints, homes: homes, traits: NodeTraits.Relays | NodeTraits.ReachedByStrangers);

        Assert.True(NodeRecord.TryRead(made.Bytes.Span, out NodeRecord? read));
        Assert.Equal(NodeId.Of(_certificate.WireGuardKey), read.Node);
        Assert.Equal(CertificateReference.Of(_certificate), read.Certificate);
        Assert.Equal(Time.ToUnixTimeMilliseconds(), read.Sequence);
        Assert.Equal(TimeSpan.FromMinutes(30), read.Lifetime);
        Assert.Equal(NodeTraits.Relays | NodeTraits.ReachedByStrangers, read.Traits);
        Assert.Equal(endpoints, read.Endpoints);
        Assert.Equal(homes, read.Homes);
        Assert.True(read.IsSignedBy(_certificate));
        Assert.True(read.IsCurrent(Time));
    }

    [Fact]
    public void Its_bytes_are_those_of_the_layout()
    {
        NodeRecord record = Make(endpoints: [new(Endpoint.Parse("192.0.2.1:7891"), PeerEndpointKind.Mapped)], homes: [new(0x1122334455667788)]);
        byte[] key = SHA256.HashData(_certificate.WireGuardKey.ToArray());
        byte[] sequence = BitConverter.GetBytes(Time.ToUnixTimeMilliseconds());
        byte[] expected =
        [
            1, 0, 0x08, 0x07, .. sequence, .. key.Take(8).Reverse(),
            .. Convert.FromHexString(_certificate.AuthorityKeyIdentifier), 16, .. _certificate.Serial.ToArray(),
            1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1, 0xD3, 0x1E,
            1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
        ];
        Assert.Equal(expected, record.Bytes[..^64].ToArray());

        byte[] hash = SHA256.HashData([.. "kedge node record 1"u8, .. _network.Id.ToArray(), .. expected]);
        Assert.True(_network.NodeKey.VerifyHash(hash, record.Bytes[^64..].Span, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
    }

    [Fact]
    public void Eight_endpoints_and_three_homes_fit_and_what_is_more_is_left_out()
    {
        IEnumerable<PeerEndpoint> endpoints = Enumerable.Range(1, 20).Select(i => new PeerEndpoint(new(IpAddress.IPv6((UInt128)i << 100), (ushort)i), 0));
        NodeRecord record = Make(endpoints: endpoints, homes: Enumerable.Range(1, 9).Select(i => new NodeId((ulong)i)));

        Assert.Equal((8, 3), (record.Endpoints.Count, record.Homes.Count));
        Assert.InRange(record.Bytes.Length, 250, 300);
    }

    [Fact]
    public void Where_any_bit_is_changed_it_is_no_record_of_the_node_any_more()
    {
        NodeRecord record = Make(endpoints: [new(Endpoint.Parse("192.0.2.1:7891"), PeerEndpointKind.Local)]);
        for (int i = 0; i < 8 * record.Bytes.Length; i++)
        {
            byte[] changed = record.Bytes.ToArray();
            changed[i / 8] ^= (byte)(1 << (i % 8));
            Assert.False(NodeRecord.TryRead(changed, out NodeRecord? read) && read.IsSignedBy(_certificate), $"Bit {i}.");
        }
    }

    [Fact]
    public void Longer_and_shorter_ones_are_none()
    {
        NodeRecord record = Make();
        for (int length = 0; length < record.Bytes.Length; length++)
            Assert.False(NodeRecord.TryRead(record.Bytes.Span[..length], out _), $"{length} bytes.");
        Assert.False(NodeRecord.TryRead([.. record.Bytes.Span, 0], out _));
    }

    [Fact]
    public void It_is_not_believed_of_another_node_nor_of_another_certificate_of_the_same_node()
    {
        NodeRecord record = Make();
        using var other = TestNetwork.NewKey();
        NodeSubject subject = _network.Subject() with { WireGuardKey = _certificate.WireGuardKey };

        Assert.False(record.IsSignedBy(_network.Certify()));
        Assert.False(record.IsSignedBy(_network.Certify(subject with { IdentityKey = P256PublicKey.Of(other) })));
        Assert.False(record.IsSignedBy(_network.Certify(subject)));
    }

    [Theory]
    [InlineData(-6, false)] // minutes since it was made
    [InlineData(-4, true)]
    [InlineData(0, true)]
    [InlineData(34, true)]
    [InlineData(36, false)]
    public void It_is_true_for_half_an_hour_as_far_as_clocks_agree(int minutes, bool isTrue) =>
        Assert.Equal(isTrue, Make().IsCurrent(Time.AddMinutes(minutes)));

    private NodeRecord Make(IEnumerable<PeerEndpoint>? endpoints = null, IEnumerable<NodeId>? homes = null, NodeTraits traits = NodeTraits.None) =>
        NodeRecord.Create(
            _certificate, Time.ToUnixTimeMilliseconds(), NodeRecord.MaximumLifetime, traits, endpoints ?? [], homes ?? [],
            (hash, signature) => _network.NodeKey.SignHash(hash, signature, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
}
