using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>Nodes that reach each other.</summary>
public sealed class MeshTests : IDisposable
{
    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void Nodes_of_a_zone_reach_each_other_by_both_families_and_by_name()
    {
        MeshNode a = _mesh.Join("alpha"), b = _mesh.Join("beta");

        foreach (string address in b.Addresses)
            a.AwaitReach(address);
        foreach (string address in a.Addresses)
            b.AwaitReach(address);
        CommandResult ping = a.Try("ping", "beta", "-c", "1");
        Assert.True(ping.Succeeded, ping.Error + ping.Output);
        Assert.Contains(b.Address, ping.Output, StringComparison.Ordinal);

        string status = a.Host.Run(a.Call("status", MeshNode.Interface)).Output;
        Assert.Contains("beta", status, StringComparison.Ordinal);
        Assert.Contains("direct", status, StringComparison.Ordinal);
        Assert.Contains("connected since", status, StringComparison.Ordinal);
        Assert.DoesNotContain("problems", status, StringComparison.Ordinal);
        Assert.Equal("beta", a.Status().GetProperty("node").GetProperty("peers")[0].GetProperty("name").GetString());
    }
}
