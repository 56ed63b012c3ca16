using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>A machine on which IPv6 is switched off, as many guides to hardening say.</summary>
public sealed class MissingFamilyTests(SharedMesh shared) : IClassFixture<SharedMesh>
{
    private readonly MeshNetwork _mesh = shared.Network;

    [Fact]
    public void A_machine_without_IPv6_carries_IPv4_and_says_so()
    {
        MeshNode other = _mesh.Join("other"), node = _mesh.AddNode("ipv4-only");
        node.Host.SetSetting("net.ipv6.conf.all.disable_ipv6", "1");
        node.Host.SetSetting("net.ipv6.conf.default.disable_ipv6", "1");

        CommandResult up = node.Try("up", "--detach", "--name", "ipv4-only", "--join-file", _mesh.JoinFile);

        Assert.True(up.Succeeded, up.Error);
        Assert.Contains("kedge0 has no IPv6", up.Error, StringComparison.Ordinal);
        Assert.Contains("sysctl -w net.ipv6.conf.kedge0.disable_ipv6=0", up.Error, StringComparison.Ordinal);
        node.AwaitReach(other);
        other.AwaitReach(node);
        string status = node.Host.Run(node.Call("status", MeshNode.Interface)).Output;
        Assert.Contains("kedge0 has no IPv6", status, StringComparison.Ordinal);
        Assert.Single(File.ReadAllLines(node.Run.LinkLog), line => line.Contains("has no IPv6", StringComparison.Ordinal));

        node.Host.SetSetting("net.ipv6.conf.all.disable_ipv6", "0");
        Wait.Until(
            () => node.Host.Ip("address", "show", "dev", "kedge0").Output.Contains(node.Addresses[1], StringComparison.Ordinal), MeshNetwork.Patience, "its IPv6 address");
        Assert.True(node.Try("down").Succeeded);
        Assert.DoesNotContain("1930", node.Host.Ip("-4", "rule").Output + node.Host.Ip("-6", "rule").Output, StringComparison.Ordinal);
    }
}
