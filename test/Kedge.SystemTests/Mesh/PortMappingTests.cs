using Kedge.Demo;
using Kedge.Demo.Nat;

namespace Kedge.SystemTests.Mesh;

/// <summary>A node whose gateway, a real miniupnpd, maps its port.</summary>
public sealed class PortMappingTests : IDisposable
{
    private readonly MeshNetwork _mesh = MeshNetwork.OnInternet();

    public void Dispose() => _mesh.Dispose();

    /// <summary>
    /// One NAT gives every destination another port and the other lets in only who was spoken to, so that without the mapping they never meet.
    /// </summary>
    [Fact]
    public void Two_nodes_behind_NATs_that_do_not_let_each_other_in_meet_at_the_mapped_port()
    {
        Gateway gateway = AddMappingGateway(out MeshNode mapped), ordinary = _mesh.Internet!.AddGateway("gateway-b");
        MeshNode other = AddNode(ordinary, "other");

        mapped.Up("--join-file", _mesh.JoinFile);
        other.Up("--join-file", _mesh.JoinFile);

        Wait.Until(() => mapped.LinkStatus()!.Endpoints.Any(endpoint => IsMapped(endpoint, gateway)), MeshNetwork.Patience, "a mapped port");
        string inside = mapped.Host.Ip("-4", "-o", "address", "show", "eth0").Output.Split("inet ")[1].Split('/')[0];
        string rule = $"dnat ip to {inside}:{mapped.DeviceStatus().ListenPort}";
        Assert.Contains(rule, Mappings(gateway), StringComparison.Ordinal);
        Assert.Contains($"mapped to {gateway.Address}", mapped.Try("status", MeshNode.Interface).Output, StringComparison.Ordinal);
        other.AwaitReach(mapped);
        CommandResult check = mapped.Try("netcheck", "--interface", MeshNode.Interface);
        Assert.Contains("a NAT with mapping address-and-port-dependent", check.Output, StringComparison.Ordinal);
        Assert.Contains("The gateway maps this node's port, so every peer reaches it there.", check.Output, StringComparison.Ordinal);

        Assert.True(mapped.Try("down", "--interface", MeshNode.Interface).Succeeded);
        Wait.Until(() => !Mappings(gateway).Contains(rule, StringComparison.Ordinal), MeshNetwork.Patience, "the mapping's end");
    }

    [Fact]
    public void A_gateway_is_not_asked_where_a_person_says_so()
    {
        Gateway gateway = AddMappingGateway(out MeshNode node);

        node.Up("--join-file", _mesh.JoinFile, "--no-port-mapping");
        Wait.Until(() => node.LinkStatus()!.Endpoints.Count > 0, MeshNetwork.Patience, "an endpoint");

        Assert.DoesNotContain(node.LinkStatus()!.Endpoints, endpoint => IsMapped(endpoint, gateway));
        Assert.DoesNotContain("dnat", Mappings(gateway), StringComparison.Ordinal);
    }

    private static bool IsMapped(string endpoint, Gateway gateway) =>
        endpoint.StartsWith(gateway.Address, StringComparison.Ordinal) && endpoint.EndsWith("(mapped)", StringComparison.Ordinal);

    private static string Mappings(Gateway gateway) =>
        gateway.Router.Run("nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd").Output;

    private Gateway AddMappingGateway(out MeshNode node)
    {
        Gateway gateway = _mesh.Internet!.AddGateway("gateway-a", new() { Kind = NatKind.SymmetricRandom, MapsPorts = true });
        node = AddNode(gateway, "mapped");
        return gateway;
    }

    private MeshNode AddNode(Gateway gateway, string label) => new(_mesh, gateway.AddHost(label), label);
}
