using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>Joining, and taking an interface up and down.</summary>
public sealed class UpDownTests : IDisposable
{
    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void A_node_joins_and_goes_without_a_trace()
    {
        MeshNode node = _mesh.Join("one");
        Assert.Contains(node.Address, node.Host.Ip("address", "show", "dev", MeshNode.Interface).Output, StringComparison.Ordinal);

        CommandResult down = node.Try("down", "--interface", MeshNode.Interface);

        Assert.True(down.Succeeded, down.Error);
        Assert.DoesNotContain(MeshNode.Interface, node.Host.Ip("link").Output, StringComparison.Ordinal);
        Assert.DoesNotContain("19301", node.Host.Ip("rule").Output, StringComparison.Ordinal);
        Assert.Null(node.NodeProcess);
        Assert.Null(node.ControlLink);
    }
}
