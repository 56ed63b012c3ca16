using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>A machine in two zones, of which one has a member that claims what is of the other.</summary>
public sealed class TwoOverlaysTests : IDisposable
{
    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void A_member_of_one_zone_draws_no_traffic_of_the_other()
    {
        const string Claimed = "10.200.0.0/16";
        _mesh.Administer("zone", "create", "blue", "--prefix", "10.201.0.0/20");
        MeshNode both = _mesh.Join("both");
        both.Host.Start(both.Call("up", "--interface", "kedge1", "--name", "both", "--join-file", _mesh.WriteToken("--zone", "blue")))
            .WaitForLine("is up: node", MeshNetwork.Patience);
        string before = RouteTo(both, "10.200.5.9");
        Assert.Contains("dev kedge0", before, StringComparison.Ordinal);

        MeshNode thief = _mesh.AddNode("thief"), honest = _mesh.AddNode("honest");
        thief.Up("--join-file", _mesh.WriteToken("--zone", "blue", "--allow-prefix", Claimed), "--child-prefix", Claimed);
        honest.Up("--join-file", _mesh.WriteToken("--zone", "blue", "--allow-prefix", "10.7.0.0/24"), "--child-prefix", "10.7.0.0/24");

        Wait.Until(() => RouteTo(both, "10.7.0.9").Contains("dev kedge1", StringComparison.Ordinal), MeshNetwork.Patience, "the honest one's network");
        Wait.Until(
            () => Status(both).Contains($"It claims {Claimed}, which overlaps with 10.200.0.0/20, a prefix of the overlay on kedge0 here", StringComparison.Ordinal),
            MeshNetwork.Patience, "the refusal");
        Assert.Equal(before, RouteTo(both, "10.200.5.9"));
        Assert.DoesNotContain($"to {Claimed} fwmark 0/0x1000 lookup main suppress_prefixlength 0 proto 76\n19304", both.Host.Ip("rule").Output, StringComparison.Ordinal);

        // It is free when the other goes.
        Assert.True(both.Try("down", "--interface", "kedge0").Succeeded);
        Wait.Until(() => RouteTo(both, "10.200.5.9").Contains("dev kedge1", StringComparison.Ordinal), MeshNetwork.Patience, "what is free now");

        // And when that comes back, it has what is its zone's.
        both.Up();
        Wait.Until(() => RouteTo(both, "10.200.5.9").Contains("dev kedge0", StringComparison.Ordinal), MeshNetwork.Patience, "the zone's own again");
        Wait.Until(() => Status(both).Contains("It claims", StringComparison.Ordinal), MeshNetwork.Patience, "the refusal again");
    }

    private static string RouteTo(MeshNode node, string address)
    {
        CommandResult found = node.Host.TryRun("ip", "route", "get", address);
        return found.Output + found.Error;
    }

    private static string Status(MeshNode node) => node.Host.Run(node.Call("status", "kedge1")).Output;
}
