using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Tests.Certificates;

namespace Kedge.Tests.Mesh;

/// <summary>The map that a node without a controller makes itself.</summary>
public sealed class OwnMapTests : IDisposable
{
    private static readonly Endpoint First = Endpoint.Parse("192.0.2.7:7891"), Second = Endpoint.Parse("192.0.2.8:7891");

    private readonly TestNetwork _network = new();
    private readonly NetworkMap _map = new(Guid.NewGuid());

    public OwnMapTests() =>
        Apply(OwnMap.Begin(new ZoneResource(TestNetwork.Zone, "home", ["10.200.0.0/16"]), TestNetwork.Start));

    public void Dispose() => _network.Dispose();

    [Fact]
    public void It_begins_with_the_zone_alone()
    {
        Assert.False(_map.IsEmpty);
        Assert.Equal("home", _map.Zone!.Name);
        Assert.Empty(_map.Peers);
    }

    [Fact]
    public void Nodes_are_added_and_replaced_one_by_one()
    {
        NodeCertificate a = _network.Certify(), b = _network.Certify();
        NodeCertificate renewed = _network.Certify(_network.Subject() with { WireGuardKey = a.WireGuardKey });

        Apply(OwnMap.Put(_map, a, [Reflexive(First)]));
        Apply(OwnMap.Put(_map, b, [Reflexive(First)]));
        Apply(OwnMap.Put(_map, renewed, [Reflexive(Second)]));

        Assert.Equal(2, _map.Peers.Count);
        Assert.Equal(renewed.Der.ToArray(), _map.Peers[OwnMap.IdOf(a)].Certificate.ToArray());
        Assert.Equal(Reflexive(Second), Assert.Single(_map.EndpointsOf(OwnMap.IdOf(a))));
        Assert.Equal(4, _map.Position.Revision);
        Assert.NotEqual(OwnMap.IdOf(a), OwnMap.IdOf(b));
    }

    private static PeerEndpoint Reflexive(Endpoint endpoint) => new(endpoint, PeerEndpointKind.Reflexive);

    private void Apply(IEnumerable<byte[]> frames)
    {
        MapOutcome last = default;
        foreach (byte[] frame in frames)
            last = _map.Apply(frame);
        Assert.Equal(MapOutcome.Committed, last);
    }
}
