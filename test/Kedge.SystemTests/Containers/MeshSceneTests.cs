using System.Text.Json;

namespace Kedge.SystemTests.Containers;

/// <summary>The controller and the node of <c>deploy/container/mesh.yaml</c>.</summary>
[Collection(ContainerCollection.Name)]
public sealed class MeshSceneTests(ContainerImage image)
{
    [Fact]
    public void A_node_outlives_its_container_and_is_not_there_twice()
    {
        using var engine = new ContainerEngine();
        engine.Load(image.Archive);
        using var scene = new ComposeProject(engine, "mesh.yaml", "docker", "compose");
        scene.UpAndWait("controller");
        scene.Exec("controller", "kedge", "token", "create", "--out", "/joins/node.join");

        scene.UpAndWait("node");

        string id = NodeId(scene);
        Assert.Matches("^CapEff:\\s+0000000000000000$", scene.Exec("controller", "grep", "CapEff", "/proc/1/status").Output.Trim());
        Assert.Matches("^CapEff:\\s+0000000000001000$", scene.Exec("node", "grep", "CapEff", "/proc/1/status").Output.Trim()); // CAP_NET_ADMIN

        scene.Run("down");
        scene.UpAndWait();

        Assert.Equal(id, NodeId(scene));
        using JsonDocument nodes = JsonDocument.Parse(scene.Exec("controller", "kedge", "node", "list", "--json").Output);
        Assert.Equal(1, nodes.RootElement.GetArrayLength());
    }

    private static string NodeId(ComposeProject scene)
    {
        using JsonDocument status = JsonDocument.Parse(scene.Exec("node", "kedge", "status", "kedge0", "--json").Output);
        return status.RootElement.GetProperty("node").GetProperty("id").GetString()!;
    }
}
