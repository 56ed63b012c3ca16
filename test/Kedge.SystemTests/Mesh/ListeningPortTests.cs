using Kedge.Demo;
using Kedge.Linux.Udp;

namespace Kedge.SystemTests.Mesh;

/// <summary>Nodes whose UDP port somebody else has.</summary>
public sealed class ListeningPortTests(SharedMesh shared) : IClassFixture<SharedMesh>
{
    private const ushort Port = 51877;

    private readonly MeshNetwork _mesh = shared.Network;

    [Fact]
    public void Up_says_who_has_the_port_that_it_is_asked_for_and_goes_on_when_that_is_free()
    {
        MeshNode node = _mesh.AddNode("asked");
        using UdpPort taker = Take(node.Host);

        RunningProcess up = node.Start("--join-file", _mesh.JoinFile, "--listen-port", $"{Port}");

        up.WaitForLine($"UDP port {Port} is in use by", MeshNetwork.Patience);
        Assert.DoesNotContain("is up: node", up.Error, StringComparison.Ordinal);
        taker.Close();
        up.WaitForLine("is up: node", MeshNetwork.Patience);
        Wait.Until(() => node.DeviceStatus().ListenPort == Port, MeshNetwork.Patience, "the port");
    }

    [Fact]
    public void A_node_that_finds_its_port_taken_is_up_with_another_one_tells_so_and_takes_its_own_when_that_is_free()
    {
        MeshNode node = _mesh.Join("later", "--listen-port", $"{Port}");
        Wait.Until(() => Announces(node, Port), MeshNetwork.Patience, "the port announced");
        Assert.True(node.Try("down", "--interface", MeshNode.Interface).Succeeded);
        using UdpPort taker = Take(node.Host);

        node.Up();

        Wait.Until(
            () => node.LinkStatus()?.Problems.Any(problem => problem.Contains($"UDP port {Port} is in use by", StringComparison.Ordinal)) == true,
            MeshNetwork.Patience,
            "the problem told");
        Assert.False(Announces(node, Port));
        Assert.NotEqual(Port, node.DeviceStatus().ListenPort);
        taker.Close();
        Wait.Until(() => Announces(node, Port), MeshNetwork.Patience, "the port announced again");
        Wait.Until(() => node.LinkStatus()!.Problems.Count == 0, MeshNetwork.Patience, "no problem");
        Assert.Equal(Port, node.DeviceStatus().ListenPort);
    }

    private static bool Announces(MeshNode node, ushort port) =>
        node.LinkStatus()?.Endpoints.Any(endpoint => endpoint.Contains($":{port} ", StringComparison.Ordinal)) == true;

    private static UdpPort Take(Host host) => host.Namespace.Run(() =>
    {
        var taker = new UdpPort();
        taker.Open(Port);
        return taker;
    });
}
