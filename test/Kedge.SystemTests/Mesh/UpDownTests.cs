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

    [Fact]
    public void A_node_hears_of_the_name_that_an_administrator_gives_it_and_keeps_it_when_it_asks_for_something_else()
    {
        MeshNode node = _mesh.Join("one");
        Wait.Until(() => node.LinkStatus()?.Controller.Connected == true, MeshNetwork.Patience, "its connection");

        _mesh.Administer("node", "rename", "one", "attic");

        Wait.Until(() => node.LinkStatus()?.Name == "attic", MeshNetwork.Patience, "the new name");
        Assert.True(node.Try("down", "--interface", MeshNode.Interface).Succeeded);
        node.Up("--request-ip", "10.200.0.77");
        Assert.Contains("is up: node 'attic'", node.Supervisor!.Error, StringComparison.Ordinal);
        Assert.Equal("10.200.0.77", node.Address);
        Assert.Equal("attic", _mesh.AdministerJson("node", "list")[0].GetProperty("name").GetString());
    }
}
