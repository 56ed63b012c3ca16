using System.Diagnostics;
using Kedge.Demo;
using Kedge.Demo.Nat;
using Kedge.Demo.Networks;

namespace Kedge.SystemTests.Networks;

/// <summary>Nodes that nobody has introduced to each other find each other, through those that know both.</summary>
public sealed class DiscoveryTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookupTime = TimeSpan.FromSeconds(6);

    private readonly NetworkScene _scene = new();

    public void Dispose() => _scene.Dispose();

    [Fact]
    public void The_first_ping_to_a_node_that_a_third_one_knows_is_answered()
    {
        (NetworkNode alice, NetworkNode bob, NetworkNode carol) = EnterThree();

        Ping first = Ping.Run(alice.Host, carol.Address, count: 1, patience: LookupTime);

        Assert.True(first.AllReceived, $"{first}\n{alice.Run("status", "kedge0")}\n{bob.Run("status", "kedge0")}");
        Assert.True(NetworkScene.Reaches(carol, alice));
    }

    [Fact]
    public void Whoever_sends_to_an_address_that_nobody_has_is_told_so()
    {
        (NetworkNode alice, _, _) = EnterThree();

        long start = Stopwatch.GetTimestamp();
        CommandResult ping = alice.Host.TryRun("ping", "-n", "-c", "1", "-W", "8", "10.44.0.99");

        Assert.Contains("Destination Host Unreachable", ping.Output, StringComparison.Ordinal);
        Assert.True(Stopwatch.GetElapsedTime(start) < LookupTime, $"after {Stopwatch.GetElapsedTime(start)}");
    }

    [Fact]
    public void Nodes_behind_NATs_that_know_a_third_one_reach_each_other()
    {
        NetworkNode bob = _scene.Enter("bob");
        NetworkNode alice = _scene.EnterBehindNat("alice", new GatewaySettings { Kind = NatKind.PortRestricted });
        NetworkNode carol = _scene.EnterBehindNat("carol", new GatewaySettings { Kind = NatKind.PortRestricted });
        Introduce(alice, bob);
        Introduce(carol, bob);

        Ping first = Ping.Run(alice.Host, carol.Address, count: 1, patience: LookupTime);

        Assert.True(first.AllReceived, $"{first}\n{alice.Run("status", "kedge0")}\n{carol.Run("status", "kedge0")}");
        Assert.Matches(@"carol +10\.44\.0\.3 +direct", alice.Run("status", "kedge0"));
    }

    [Fact]
    public void A_revocation_list_that_one_node_is_given_reaches_all()
    {
        (NetworkNode alice, NetworkNode bob, NetworkNode carol) = EnterThree();
        NetworkScene.AwaitReach(alice, carol);
        _scene.Key.Revoke(carol);

        alice.Run("down");
        alice.Enter(_scene.CertificateWithList());

        Wait.Until(() => bob.Run("status", "kedge0").Contains("revoked", StringComparison.Ordinal), Patience, "bob's refusal of carol");
        bool reaches = NetworkScene.Reaches(bob, carol);
        Assert.False(reaches, bob.Run("status", "kedge0") + bob.Run("logs", "kedge0"));
        Assert.Contains("revoked", carol.Knock(bob).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_that_has_lost_what_it_knew_is_found_again()
    {
        (NetworkNode alice, NetworkNode bob, _) = EnterThree();
        NetworkScene.AwaitReach(alice, bob);
        bob.Run("down", "--leave");
        bob.Enter(_scene.Key.Certificate);

        long start = Stopwatch.GetTimestamp();
        NetworkScene.AwaitReach(alice, bob);

        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(8), $"after {Stopwatch.GetElapsedTime(start)}");
    }

    [Fact]
    public void Nodes_whose_NATs_let_nothing_through_are_relayed_by_a_third_one()
    {
        NetworkNode bob = _scene.Add("bob", granted: ["--relay"]);
        bob.Enter(_scene.Key.Certificate, "--relay");
        NetworkNode alice = _scene.EnterBehindNat("alice", new GatewaySettings { Kind = NatKind.SymmetricRandom });
        NetworkNode carol = _scene.EnterBehindNat("carol", new GatewaySettings { Kind = NatKind.SymmetricRandom });
        Introduce(alice, bob);
        Introduce(carol, bob);

        NetworkScene.AwaitReach(alice, carol);

        Assert.Matches(@"carol +10\.44\.0\.3 +relayed", alice.Run("status", "kedge0"));
    }

    [Fact]
    public void A_network_behind_a_node_is_found_by_its_addresses()
    {
        NetworkNode bob = _scene.Enter("bob"), alice = _scene.Enter("alice"), carol = _scene.Enter("carol", "--child-prefix", "10.44.7.0/24");
        carol.Host.AddAddress("lo", "10.44.7.1/32");
        Introduce(alice, bob);
        Introduce(carol, bob);

        Ping first = Ping.Run(alice.Host, "10.44.7.1", count: 1, patience: LookupTime);

        Assert.True(first.AllReceived, $"{first}\n{alice.Run("status", "kedge0")}\n{carol.Run("status", "kedge0")}");
    }

    [Fact]
    public void The_ends_of_a_line_of_knocks_reach_each_other()
    {
        NetworkNode[] line = [.. ((string[])["n1", "n2", "n3", "n4", "n5", "n6"]).Select(name => _scene.Enter(name))];
        foreach ((NetworkNode node, NetworkNode next) in line.Zip(line.Skip(1)))
            Introduce(node, next);

        Ping first = Ping.Run(line[0].Host, line[^1].Address, count: 1, patience: LookupTime);

        Assert.True(first.AllReceived, $"{first}\n{line[0].Run("status", "kedge0")}");
        Assert.True(NetworkScene.Reaches(line[^1], line[0]));
    }

    private (NetworkNode Alice, NetworkNode Bob, NetworkNode Carol) EnterThree()
    {
        NetworkNode alice = _scene.Enter("alice"), bob = _scene.Enter("bob"), carol = _scene.Enter("carol");
        Introduce(alice, bob);
        Introduce(carol, bob);
        return (alice, bob, carol);
    }

    private static void Introduce(NetworkNode node, NetworkNode other)
    {
        CommandResult result = node.Knock(other);
        Assert.True(result.Succeeded, result.Error);
    }
}
