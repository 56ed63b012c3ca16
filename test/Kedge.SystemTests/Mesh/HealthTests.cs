using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary><c>kedge status --check</c> on a node.</summary>
public sealed class HealthTests(SharedMesh shared) : IClassFixture<SharedMesh>
{
    private readonly MeshNode _node = shared.Network.Join("checked");

    [Fact]
    public void A_node_without_traffic_is_healthy_until_its_interface_is_down_or_its_processes_have_ended()
    {
        Wait.Until(() => Check().Succeeded, MeshNetwork.Patience, "a healthy node");
        Assert.Equal("kedge0 is healthy.\n", Check().Output);
        Assert.Equal("kedge0 is healthy.\n", Check(MeshNode.Interface).Output);

        _node.Supervisor!.Kill(); // first: it would start the others again
        MeshNode.Kill(_node.ControlLink);
        AssertUnhealthy("kedge0: The control link does not run");
        _node.Host.Ip("link", "set", MeshNode.Interface, "down"); // which the control link would put right at once
        AssertUnhealthy("kedge0: The interface is down.");
        MeshNode.Kill(_node.NodeProcess);
        AssertUnhealthy("kedge0: The node process does not run");
    }

    private void AssertUnhealthy(string expected)
    {
        CommandResult result = Check();
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
    }

    private CommandResult Check(params string[] arguments) => _node.Try(["status", "--check", .. arguments]);
}
