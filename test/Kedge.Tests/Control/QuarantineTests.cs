using Kedge.Control.Store;
using Kedge.Protocol.Api;
using static Kedge.Tests.Control.EnrolmentTests;

namespace Kedge.Tests.Control;

/// <summary>What one member can keep from the others by what it claims and gives back, and when an address comes back into use.</summary>
public class QuarantineTests
{
    [Fact]
    public async Task A_prefix_that_waits_for_approval_keeps_nobody_from_it()
    {
        await using Network network = await Network.CreateAsync();
        var greedy = new Applicant("greedy");
        EnrolmentResult waiting = await greedy.EnrolAsync(network, await network.CreateTokenAsync(), With("192.168.0.0/16", "172.16.0.0/12"));
        string token = await network.CreateTokenAsync(allowedPrefixes: ["192.168.7.0/24"]);

        EnrolmentResult gateway = await new Applicant("gateway").EnrolAsync(network, token, With("192.168.7.0/24"));

        Assert.Equal("active", waiting.Status);
        Assert.Empty(waiting.ChildPrefixes);
        Assert.Equal(["192.168.7.0/24"], gateway.ChildPrefixes);
        await RefusedAsync(
            409, "192.168.0.0/16 overlaps another network: node gateway has 192.168.7.0/24", () => network.Registry.ApproveAsync("greedy", null, Network.Administrator));
        Assert.Empty(greedy.Inquire(network).ChildPrefixes);
    }

    [Fact]
    public async Task Of_two_nodes_that_claim_one_prefix_the_one_that_is_approved_has_it()
    {
        await using Network network = await Network.CreateAsync();
        await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync(), With("10.5.0.0/16"));
        await new Applicant("two").EnrolAsync(network, await network.CreateTokenAsync(), With("10.5.0.0/16"));
        Assert.Equal(2, Leased(network).Count(lease => lease is { Value: "10.5.0.0/16", Status: "waiting" }));

        RegisteredNode approved = await network.Registry.ApproveAsync("two", null, Network.Administrator);

        Assert.Equal(["10.5.0.0/16"], approved.ChildPrefixes);
        await RefusedAsync(409, "node two has 10.5.0.0/16", () => network.Registry.ApproveAsync("one", null, Network.Administrator));
    }

    [Fact]
    public async Task In_a_locked_network_a_prefix_that_is_not_signed_keeps_nobody_from_it()
    {
        await using Network network = await Network.CreateLockedAsync();
        await new Applicant("greedy").EnrolAsync(network, await network.CreateTokenAsync(), With("10.0.0.0/9"));
        string token = await network.CreateTokenAsync(allowedPrefixes: ["10.5.0.0/16"]);

        await new Applicant("gateway").EnrolAsync(network, token, With("10.5.0.0/16"));

        SigningRequest[] requests = [.. network.Registry.SigningRequests()];
        Assert.Equal(["10.5.0.0/16"], requests.Single(request => request.Name == "gateway").ChildPrefixes);
        Assert.Equal(["10.0.0.0/9"], requests.Single(request => request.Name == "greedy").ChildPrefixes);
    }

    [Fact]
    public async Task A_prefix_that_was_claimed_and_withdrawn_is_free_at_once()
    {
        await using Network network = await Network.CreateAsync();
        EnrolmentResult greedy = await new Applicant("greedy").EnrolAsync(network, await network.CreateTokenAsync(), With("192.168.0.0/16"));
        await network.Registry.LeaveAsync(greedy.NodeId, Network.Administrator, "node.leave");

        string token = await network.CreateTokenAsync(allowedPrefixes: ["192.168.7.0/24"]);

        Assert.Equal("active", (await new Applicant("gateway").EnrolAsync(network, token, With("192.168.7.0/24"))).Status);
    }

    [Fact]
    public async Task A_node_that_waits_to_be_certified_cannot_put_a_zone_into_quarantine()
    {
        await using Network network = await Network.CreateLockedAsync();
        await network.CreateZoneAsync("small", "10.1.0.0/24");
        var node = new Applicant("one");
        await node.EnrolAsync(network, await network.CreateTokenAsync("small"), With("10.5.0.0/16"));

        for (int i = 2; i <= 254; i++)
        {
            network.Clock.Advance(TimeSpan.FromMinutes(1));
            await node.EnrolAsync(network, null, request => With("10.5.0.0/16")(request) with { RequestedAddresses = [$"10.1.0.{i}"] });
        }

        Assert.DoesNotContain(Leased(network), lease => lease.Status == "quarantined");
        Assert.Single((await new Applicant("two").EnrolAsync(network, await network.CreateTokenAsync("small"))).Addresses);
    }

    [Fact]
    public async Task A_node_that_goes_through_all_addresses_keeps_one_of_each_family_from_others()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("small", "10.1.0.0/24", "fd00:1::/64");
        var node = new Applicant("one");
        EnrolmentResult first = await node.EnrolAsync(network, await network.CreateTokenAsync("small"));
        network.Clock.Advance(TimeSpan.FromHours(1));

        for (int i = 2; i <= 254; i++)
        {
            await node.EnrolAsync(network, null, request => request with { RequestedAddresses = [$"10.1.0.{i}", $"fd00:1::{i:x}"] });
            network.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        // What everybody has had in their maps for an hour, not what they had for a minute.
        Assert.Equal(first.Addresses.Order(), Leased(network).Where(lease => lease.Status == "quarantined").Select(lease => lease.Value).Order());
        Assert.Equal(2, (await new Applicant("two").EnrolAsync(network, await network.CreateTokenAsync("small"))).Addresses.Count);
    }

    [Fact]
    public async Task A_node_that_goes_through_prefixes_keeps_a_bounded_number_from_others()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        await node.EnrolAsync(network, await network.CreateTokenAsync(allowedPrefixes: ["10.0.0.0/8"]));

        for (int i = 0; i < Leases.MostQuarantinedPrefixes + 20; i++)
        {
            network.Clock.Advance(TimeSpan.FromMinutes(1));
            await node.EnrolAsync(network, null, With($"10.5.{i}.0/24"));
        }

        Assert.Equal(Leases.MostQuarantinedPrefixes, Leased(network).Count(lease => lease is { Kind: "child", Status: "quarantined" }));
    }

    [Fact]
    public async Task A_zone_whose_nodes_come_and_go_has_an_address_for_the_next()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("small", "10.1.0.0/29");
        string token = await network.CreateTokenAsync("small", uses: 0);
        List<string> given = [];

        for (int i = 0; i < 20; i++)
        {
            EnrolmentResult runner = await new Applicant($"runner-{i}").EnrolAsync(network, token);
            given.AddRange(runner.Addresses);
            await network.Registry.LeaveAsync(runner.NodeId, Network.Administrator, "node.leave");
            network.Clock.Advance(TimeSpan.FromSeconds(1));
        }

        // The one that is longest in quarantine first.
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"10.1.0.{1 + i % 6}"), given);
    }

    [Fact]
    public async Task Stock_peers_which_nobody_ever_tells_anything_keep_no_address_in_quarantine()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("small", "10.1.0.0/29");
        for (int i = 1; i <= 6; i++)
            await CreateAsync($"n{i}");
        await RefusedAsync(409, "full", () => CreateAsync("n7"));
        await network.Registry.RemoveAsync("n3", null, Network.Administrator);

        Assert.Equal(["10.1.0.3"], (await CreateAsync("n7")).Addresses);

        Task<RegisteredNode> CreateAsync(string name) => network.Registry.CreateAsync(
            new NodeCreation { Name = name, Zone = "small", WireGuardKey = new Applicant("x").WireGuardKey.ToString() }, Network.Administrator);
    }

    [Fact]
    public async Task An_address_is_not_given_again_while_a_connected_node_may_still_send_to_its_former_owner()
    {
        await using Network network = await Network.CreateAsync();
        Dictionary<Guid, long> acknowledged = [];
        network.Presence.AcknowledgedBy = node => acknowledged.TryGetValue(node, out long revision) ? revision : null;
        await network.CreateZoneAsync("small", "10.1.0.0/30");
        string token = await network.CreateTokenAsync("small", uses: 0, lifetime: 1_000_000);
        EnrolmentResult stays = await new Applicant("stays").EnrolAsync(network, token);
        await new Applicant("goes").EnrolAsync(network, token);
        using IDisposable connection = network.Presence.Connect(stays.NodeId);
        acknowledged[stays.NodeId] = network.Store.Revision;
        await network.Registry.RemoveAsync("goes", null, Network.Administrator);
        network.Clock.Advance(2 * Leases.DisconnectedPatience);
        await RefusedAsync(409, "quarantine", () => new Applicant("next").EnrolAsync(network, token));

        acknowledged[stays.NodeId] = network.Store.Revision;

        Assert.Equal(["10.1.0.2"], (await new Applicant("next").EnrolAsync(network, token)).Addresses);
    }

    [Fact]
    public async Task A_node_that_is_not_connected_keeps_an_address_from_others_for_an_hour()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("small", "10.1.0.0/30");
        string token = await network.CreateTokenAsync("small", uses: 0, lifetime: 1_000_000);
        await new Applicant("away").EnrolAsync(network, token);
        await new Applicant("goes").EnrolAsync(network, token);
        await network.Registry.RemoveAsync("goes", null, Network.Administrator);

        network.Clock.Advance(Leases.DisconnectedPatience - TimeSpan.FromSeconds(1));
        await RefusedAsync(409, "quarantine", () => new Applicant("next").EnrolAsync(network, token));
        network.Clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(["10.1.0.2"], (await new Applicant("next").EnrolAsync(network, token)).Addresses);
    }

    private static IReadOnlyList<Lease> Leased(Network network) => network.Store.Read(reader => Leases.List(reader, null));

    private static Func<EnrolmentRequest, EnrolmentRequest> With(params string[] prefixes) => request => request with { ChildPrefixes = prefixes };
}
