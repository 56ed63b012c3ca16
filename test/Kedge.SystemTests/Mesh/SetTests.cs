using Kedge.Demo;
using Kedge.Linux.Processes;

namespace Kedge.SystemTests.Mesh;

/// <summary><c>kedge set</c>, and networks behind a node that wait for approval.</summary>
public sealed class SetTests(SharedMesh shared) : IClassFixture<SharedMesh>
{
    private readonly MeshNetwork _mesh = shared.Network;

    [Fact]
    public void Settings_of_a_running_node_change_without_a_restart_and_stay()
    {
        MeshNode node = _mesh.Join("settled"), other = _mesh.Join("viewer");
        other.AwaitReach(node);
        ProcessIdentity link = node.ControlLink!.Value, device = node.NodeProcess!.Value;
        CommandResult again = node.Try("up");
        Assert.Contains("'kedge set --interface kedge0'", again.Error, StringComparison.Ordinal);

        CommandResult set = node.Try("set", "--mtu", "1300", "--listen-port", "51833", "--name", "resettled");

        Assert.Equal("", set.Output);
        Assert.Contains("kedge0: name settled -> resettled, listen port any -> 51833, MTU 1420 -> 1300.", set.Error, StringComparison.Ordinal);
        Wait.Until(
            () => node.Host.Ip("link", "show", MeshNode.Interface).Output.Contains("mtu 1300", StringComparison.Ordinal),
            MeshNetwork.Patience, "the MTU");
        Wait.Until(() => node.DeviceStatus().ListenPort == 51833, MeshNetwork.Patience, "the port");
        Wait.Until(() => other.KeyOf("resettled") is not null, MeshNetwork.Patience, "the name");
        other.AwaitReach(node);
        Assert.Equal((link, device), (node.ControlLink!.Value, node.NodeProcess!.Value));
        Assert.Contains("has these settings already", node.Try("set", "--mtu", "1300").Error, StringComparison.Ordinal);
        Assert.Equal(2, node.Try("set").ExitCode);

        Assert.True(node.Try("down").Succeeded);
        CommandResult down = node.Try("status", MeshNode.Interface);
        Assert.Equal(1, down.ExitCode);
        Assert.Contains("resettled (active), not running: 'kedge up --interface kedge0' starts it", down.Output, StringComparison.Ordinal);
        Assert.Contains("It does not run", node.Try("set", "--mtu", "1310").Error, StringComparison.Ordinal);
        using RunningProcess up = node.Host.Start(node.Call("up"));
        up.WaitForLine("is up: node 'resettled'", MeshNetwork.Patience);
        Assert.Contains("mtu 1310", node.Host.Ip("link", "show", MeshNode.Interface).Output, StringComparison.Ordinal);
        Assert.Equal(51833, node.DeviceStatus().ListenPort);
    }

    [Fact]
    public void A_new_node_joins_at_once_and_the_network_behind_it_when_it_is_approved()
    {
        MeshNode node = _mesh.AddNode("gateway"), other = _mesh.Join("neighbour");
        node.Host.Ip("link", "add", "lan", "type", "bridge");
        node.Host.AddAddress("lan", "10.7.0.1/24");
        node.Host.Ip("link", "set", "lan", "up");

        node.Up("--join-file", _mesh.JoinFile, "--child-prefix", "10.7.0.0/24");

        node.Supervisor!.WaitForLine("kedge node approve gateway", MeshNetwork.Patience);
        other.AwaitReach(node);
        Assert.Matches(@"waits for approval +10\.7\.0\.0/24", node.Try("status", MeshNode.Interface).Output);
        Assert.Equal("10.7.0.0/24", Assert.Single(node.StatusJson().GetProperty("waitingPrefixes").EnumerateArray()).GetString());
        Assert.Equal(0, node.Try("status", "--check").ExitCode);
        _mesh.Administer("node", "approve", "gateway");
        other.AwaitReach("10.7.0.1");
        Wait.Until(() => node.StatusJson().GetProperty("waitingPrefixes").GetArrayLength() == 0, MeshNetwork.Patience, "nothing that waits");

        // One more, while it runs; the first stays.
        CommandResult set = node.Try("set", "--child-prefix", "10.7.0.0/24,10.9.0.0/24");
        Assert.Contains("Not reachable yet behind this node: 10.9.0.0/24", set.Error, StringComparison.Ordinal);
        Assert.Contains("kedge node approve gateway", set.Error, StringComparison.Ordinal);
        node.Host.AddAddress("lan", "10.9.0.1/24");
        _mesh.Administer("node", "approve", "gateway");
        other.AwaitReach("10.9.0.1");
        Assert.True(node.Try("set", "--child-prefix", "").Succeeded);
        Wait.Until(
            () => !other.Host.Ip("route", "show", "table", "all").Output.Contains("10.7.0.0/24", StringComparison.Ordinal),
            MeshNetwork.Patience, "the end of the route");
        Assert.Empty(Kedge.Node.ControlLink.Membership.Read(node.Folder)!.Settings.ChildPrefixes);
    }
}
