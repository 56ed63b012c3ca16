using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>The keys of one node on another machine: moved there, which is fine, or copied and used twice, which is not.</summary>
public sealed class CopyTests : IDisposable
{
    // Some time has to pass before a machine that does not answer counts as gone.
    private static readonly TimeSpan LongPatience = TimeSpan.FromSeconds(90);

    private readonly MeshPair _pair = new();

    private MeshNetwork Mesh => _pair.Mesh;

    private MeshNode Alpha => _pair.Alpha;

    private MeshNode Beta => _pair.Beta;

    [Fact]
    public void A_node_that_moves_to_another_machine_takes_its_address_along_and_the_mesh_follows()
    {
        string address = Alpha.Address;
        Beta.AwaitReach(address);
        PowerOff(Alpha);

        MeshNode moved = Mesh.AddNode("elsewhere", name: "alpha");
        CopyState(Alpha, moved);
        moved.Up();

        Assert.Equal(address, moved.Address);
        Beta.AwaitReach(address);
        moved.AwaitReach(Beta);
        Assert.StartsWith(AddressOf(moved), Beta.EndpointOf("alpha"), StringComparison.Ordinal);
        Assert.Empty(DuplicatesOfAlpha());
        Assert.Equal(2, Mesh.AdministerJson("node", "list").GetArrayLength());
    }

    [Fact]
    public void A_copy_that_runs_beside_its_original_is_told_to_both_and_to_administrators_until_one_is_gone()
    {
        MeshNode copy = Mesh.AddNode("copy", name: "alpha");
        CopyState(Alpha, copy);
        copy.Up();

        Wait.Until(() => DuplicatesOfAlpha().Length == 2, MeshNetwork.Patience, "the controller to see two machines");
        Assert.Equal([AddressOf(Alpha), AddressOf(copy)], DuplicatesOfAlpha().Order());
        AwaitProblem(Alpha, AddressOf(copy));
        AwaitProblem(copy, AddressOf(Alpha));
        Assert.Contains("online, twice", Mesh.Administer("node", "list").Output, StringComparison.Ordinal);
        Assert.Contains("in use twice", Mesh.Administer("node", "show", "alpha").Output, StringComparison.Ordinal);
        Assert.Single(Mesh.AdministerJson("audit").EnumerateArray(), entry => entry.GetProperty("action").GetString() == "node.duplicate");

        PowerOff(copy);

        Wait.Until(() => DuplicatesOfAlpha().Length == 0, LongPatience, "the controller to see one machine again");
        Wait.Until(() => !HasProblem(Alpha, AddressOf(copy)), MeshNetwork.Patience, "the end of the problem");
    }

    public void Dispose() => _pair.Dispose();

    private static void PowerOff(MeshNode node)
    {
        node.Supervisor!.Kill();
        MeshNode.Kill(node.ControlLink);
        MeshNode.Kill(node.NodeProcess);
    }

    // While a node runs, a file may be replaced in the middle of it.
    private static void CopyState(MeshNode from, MeshNode to) => Wait.Until(
        () => to.Host.TryRun("cp", "--archive", "--no-target-directory", from.StateDirectory, to.StateDirectory).Succeeded,
        MeshNetwork.Patience, "a copy of the folder");

    private static string AddressOf(MeshNode node) =>
        node.Host.Run("ip", "-4", "-o", "address", "show", "dev", "eth0").Output.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3].Split('/')[0];

    private static void AwaitProblem(MeshNode node, string elsewhere) =>
        Wait.Until(() => HasProblem(node, elsewhere), MeshNetwork.Patience, $"{node.Label} to know of {elsewhere}");

    private static bool HasProblem(MeshNode node, string elsewhere) =>
        node.LinkStatus()?.Problems.Any(problem => problem.Contains("Another machine uses this node's keys", StringComparison.Ordinal)
            && problem.Contains(elsewhere, StringComparison.Ordinal)) == true;

    private string[] DuplicatesOfAlpha() =>
        [.. Mesh.AdministerJson("node", "show", "alpha").GetProperty("duplicatesFrom").EnumerateArray().Select(source => source.GetString()!)];
}
