using Kedge.Demo;
using Kedge.Node.Routing;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Mesh;

namespace Kedge.SystemTests.Routing;

/// <summary>
/// A machine whose kernel checks sources strictly, and a gateway that announces the network which it stands in and is reached in.
/// </summary>
public sealed class SourceValidationTests : IDisposable
{
    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void Datagrams_of_a_gateway_that_stands_in_the_network_it_announces_pass_a_strict_check_and_nothing_else_is_let_past_the_tunnel()
    {
        Host border = _mesh.AddHost("border");
        border.EnableForwarding();
        Switch site = _mesh.Net.AddSwitch("site");
        site.Attach(border, ["198.51.100.1/24"]);
        _mesh.ControllerHost.AddRoute("198.51.100.0/24", "192.0.2.2");
        Host gatewayHost = _mesh.Net.AddHost("gateway");
        site.Attach(gatewayHost, ["198.51.100.8/24"]);
        gatewayHost.AddRoute("default", "198.51.100.1");
        var gateway = new MeshNode(_mesh, gatewayHost, "gateway");
        gateway.Up("--join-file", _mesh.WriteToken("--allow-prefix", "198.51.100.0/24"), "--child-prefix", "198.51.100.0/24");
        MeshNode outside = _mesh.AddNode("outside");
        outside.Host.AddRoute("default", "192.0.2.2");
        outside.Host.SetSetting("net.ipv4.conf.all.rp_filter", "1");
        outside.Host.SetSetting("net.ipv4.conf.eth0.rp_filter", "1");

        outside.Up("--join-file", _mesh.JoinFile);

        outside.AwaitReach(gateway);
        Assert.Contains("dev kedge0", outside.Host.Ip("route", "get", "198.51.100.8").Output, StringComparison.Ordinal);
        Assert.Contains("dev kedge0", outside.Host.Ip("route", "get", "198.51.100.99").Output, StringComparison.Ordinal);

        // What cannot be avoided, as on a kernel that knows no such rules, is found, and the command mends it.
        ushort port = outside.DeviceStatus().ListenPort;
        Endpoint[] endpoints = [Endpoint.Parse(outside.EndpointOf("gateway"))];
        Assert.StartsWith("198.51.100.8:", $"{endpoints[0]}", StringComparison.Ordinal);
        Assert.Empty(Check(port));
        SourceValidationFinding finding = Assert.Single(Check((ushort)(port ^ 1)));
        Assert.Equal("eth0", finding.Interface);
        Assert.Contains("sysctl -w net.ipv4.conf.eth0.rp_filter=2", finding.ToString(), StringComparison.Ordinal);
        outside.Host.SetSetting("net.ipv4.conf.eth0.rp_filter", "2");
        Assert.Empty(Check((ushort)(port ^ 1)));

        Assert.True(outside.Try("down").Succeeded);
        Assert.DoesNotContain("19299", outside.Host.Ip("rule").Output, StringComparison.Ordinal);

        IReadOnlyList<SourceValidationFinding> Check(ushort listenPort) => outside.Host.Namespace.Run(
            () => SourceValidation.Check(MeshNode.Interface, listenPort, FirewallMark.Default, endpoints));
    }
}
