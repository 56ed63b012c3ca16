using Kedge.Control;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;
using static Kedge.Tests.Control.EnrolmentTests;

namespace Kedge.Tests.Control;

/// <summary>Who gets which address and which prefix.</summary>
public class LeaseTests
{
    [Fact]
    public async Task Two_hundred_joins_at_once_get_two_hundred_addresses()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync(uses: 0);
        var applicants = Enumerable.Range(0, 200).Select(i => new Applicant($"node-{i}")).ToList();

        EnrolmentResult[] results = await Task.WhenAll(applicants.Select(one => Task.Run(() => one.EnrolAsync(network, token))));

        Assert.All(results, result => Assert.Equal(2, result.Addresses.Count));
        Assert.Equal(400, results.SelectMany(result => result.Addresses).Distinct().Count());
        Assert.Equal(400, network.Store.Read(reader => Leases.List(reader, null)).Count(lease => lease.Status == "held"));
        Assert.Equal(200, (await network.ReadMapAsync(results[0].ZoneId)).Count);
    }

    [Fact]
    public async Task A_zone_gives_out_all_its_addresses_and_then_says_that_it_is_full()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("small", "10.1.0.0/29");
        string token = await network.CreateTokenAsync("small", uses: 0);
        List<string> given = [];
        for (int i = 0; i < 6; i++)
            given.AddRange((await new Applicant($"node-{i}").EnrolAsync(network, token)).Addresses);

        Assert.Equal(Enumerable.Range(1, 6).Select(i => $"10.1.0.{i}"), given.Order(StringComparer.Ordinal));
        await RefusedAsync(409, "full", () => new Applicant("more").EnrolAsync(network, token));
    }

    [Fact]
    public async Task What_is_given_back_is_in_quarantine_for_a_day()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("small", "10.1.0.0/30");
        string token = await network.CreateTokenAsync("small", uses: 0, lifetime: 1_000_000);
        await new Applicant("one").EnrolAsync(network, token);
        await new Applicant("two").EnrolAsync(network, token);
        await network.Registry.RemoveAsync("one", null, Network.Administrator);

        await RefusedAsync(409, "quarantine", () => new Applicant("three").EnrolAsync(network, token));
        await RefusedAsync(409, "quarantine", () => new Applicant("three").EnrolAsync(network, token, request => request with { RequestedAddresses = ["10.1.0.1"] }));
        network.Clock.Advance(Leases.Quarantine);
        EnrolmentResult third = await new Applicant("three").EnrolAsync(network, token);

        Assert.Equal(["10.1.0.1"], third.Addresses);
    }

    [Fact]
    public async Task An_administrator_ends_a_quarantine_early()
    {
        await using Network network = await Network.CreateAsync();
        EnrolmentResult one = await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync());
        await RefusedAsync(409, "one has", () => FreeAsync(one.Addresses[0]));
        await network.Registry.RemoveAsync("one", null, Network.Administrator);
        await FreeAsync(one.Addresses[0]);

        EnrolmentResult two = await new Applicant("two").EnrolAsync(network, await network.CreateTokenAsync(), request => request with { RequestedAddresses = [one.Addresses[0]] });

        Assert.Contains(one.Addresses[0], two.Addresses);

        Task FreeAsync(string value) => network.Store.WriteAsync(
            change => Leases.EndQuarantine(change, Network.Administrator, Zones.Find(change, "default"), value));
    }

    [Fact]
    public async Task A_clock_that_ran_ahead_makes_no_quarantine_longer()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("small", "10.1.0.0/30");
        string token = await network.CreateTokenAsync("small", uses: 0, lifetime: 10_000_000);
        await new Applicant("one").EnrolAsync(network, token);
        await new Applicant("two").EnrolAsync(network, token);
        network.Clock.Set(TimeSpan.FromDays(50));
        await network.Registry.RemoveAsync("one", null, Network.Administrator);
        network.Clock.Set(TimeSpan.FromDays(-50));
        await network.Maintenance.RunOnceAsync();
        network.Clock.Advance(Leases.Quarantine);

        Assert.Equal(["10.1.0.1"], (await new Applicant("three").EnrolAsync(network, token)).Addresses);
    }

    [Theory]
    [InlineData("10.200.0.0", "cannot be a node's")]
    [InlineData("10.200.15.255", "cannot be a node's")]
    [InlineData("10.200.16.1", "outside")]
    [InlineData("10.200.0.1", "node first has 10.200.0.1")]
    public async Task A_requested_address_that_cannot_be_had_is_refused_in_words_and_never_replaced(string address, string words)
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync(uses: 0);
        await new Applicant("first").EnrolAsync(network, token);

        await RefusedAsync(409, words, () => new Applicant("one").EnrolAsync(network, token, request => request with { RequestedAddresses = [address] }));
        Assert.Single(await network.ReadMapAsync(network.Store.Read(reader => Zones.Find(reader, "default").Id)));
    }

    [Fact]
    public async Task A_requested_address_is_given_and_the_one_before_it_released()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentResult before = await node.EnrolAsync(network, await network.CreateTokenAsync());

        EnrolmentResult after = await node.EnrolAsync(network, null, request => request with { RequestedAddresses = ["10.200.7.7"] });

        Assert.Equal(["10.200.7.7", before.Addresses[1]], after.Addresses);
        Assert.Equal(["10.200.7.7"], Applicant.Read(after).Addresses.Where(address => address.IsIPv4).Select(address => address.ToString()));
        Lease former = network.Store.Read(reader => Leases.List(reader, null)).Single(lease => lease.Value == before.Addresses[0]);
        Assert.Equal("quarantined", former.Status);
        EnrolmentResult back = await node.EnrolAsync(network, null, request => request with { RequestedAddresses = [before.Addresses[0]] });
        Assert.Equal(before.Addresses, back.Addresses); // its own quarantine is none for itself
    }

    [Fact]
    public async Task Zones_may_have_the_same_prefix_and_their_nodes_the_same_address()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("other", "10.200.0.0/20");

        EnrolmentResult one = await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync());
        EnrolmentResult two = await new Applicant("two").EnrolAsync(network, await network.CreateTokenAsync("other"));

        Assert.Equal(one.Addresses[0], two.Addresses[0]);
        Assert.Equal(two.NodeId, Assert.Single(await network.ReadMapAsync(two.ZoneId)).Id);
    }

    [Fact]
    public async Task A_child_prefix_that_the_token_allows_needs_no_approval_and_another_waits_without_keeping_the_node_out()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync(allowedPrefixes: ["192.168.0.0/16"], uses: 0);

        EnrolmentResult allowed = await new Applicant("allowed").EnrolAsync(network, token, With("192.168.5.0/24"));
        var patient = new Applicant("patient");
        EnrolmentResult joined = await patient.EnrolAsync(network, token, With("192.168.6.0/24", "10.5.0.0/16"));

        Assert.Equal("active", allowed.Status);
        Assert.Equal(["192.168.5.0/24"], allowed.ChildPrefixes);
        Assert.Equal("active", joined.Status);
        Assert.Equal(["192.168.6.0/24"], joined.ChildPrefixes);
        Assert.NotNull(Applicant.Read(joined).CheckPrefixes([
            .. joined.Addresses.Select(address => IpPrefix.Parse(address)), IpPrefix.Parse("10.5.0.0/16"), IpPrefix.Parse("192.168.6.0/24")]));
        Assert.Contains("10.5.0.0/16 needs an administrator's approval: kedge node approve patient", joined.Reason, StringComparison.Ordinal);
        Assert.Equal(["10.5.0.0/16"], network.Registry.Show("patient", null).WaitingPrefixes);
        Assert.Equal(2, (await network.ReadMapAsync(allowed.ZoneId)).Count);

        await network.Registry.ApproveAsync("patient", null, Network.Administrator);

        EnrolmentResult approved = patient.Inquire(network);
        Assert.Equal("active", approved.Status);
        Assert.Equal(["10.5.0.0/16", "192.168.6.0/24"], approved.ChildPrefixes);
        Assert.Null(Applicant.Read(approved).CheckPrefixes([
            .. approved.Addresses.Select(address => IpPrefix.Parse(address)), IpPrefix.Parse("10.5.0.0/16"), IpPrefix.Parse("192.168.6.0/24")]));
    }

    [Fact]
    public async Task An_active_node_that_asks_for_more_stays_active_with_what_it_has()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentResult before = await node.EnrolAsync(network, await network.CreateTokenAsync());

        EnrolmentResult after = await node.EnrolAsync(network, null, With("10.5.0.0/16"));

        Assert.Equal("active", after.Status);
        Assert.Empty(after.ChildPrefixes);
        Assert.Contains("10.5.0.0/16", after.Reason, StringComparison.Ordinal);
        Assert.Equal(before.Certificate, after.Certificate);
        await network.Registry.ApproveAsync("one", null, Network.Administrator);
        Assert.Equal(["10.5.0.0/16"], node.Inquire(network).ChildPrefixes);
        EnrolmentResult without = await node.EnrolAsync(network, null);
        Assert.Empty(without.ChildPrefixes); // what it stops asking for is released
        Assert.Equal("quarantined", network.Store.Read(reader => Leases.List(reader, null)).Single(lease => lease.Kind == "child").Status);
    }

    [Theory]
    [InlineData("0.0.0.0/0", "default route")]
    [InlineData("::/0", "default route")]
    [InlineData("0.0.0.0/1", "overlaps")]
    [InlineData("127.0.0.0/8", "loopback")]
    [InlineData("169.254.1.0/24", "link-local")]
    [InlineData("fe80::/64", "link-local")]
    [InlineData("224.0.0.0/24", "multicast")]
    [InlineData("ff02::/16", "multicast")]
    [InlineData("198.51.100.0/24", "controller")]
    [InlineData("192.0.2.0/24", "node fixed is reached")]
    [InlineData("10.200.0.0/16", "takes its own addresses")]
    [InlineData("10.200.3.0/24", "takes its own addresses")]
    public async Task Some_prefixes_nobody_may_announce(string prefix, string words)
    {
        await using Network network = await Network.CreateAsync();
        await network.Registry.CreateAsync(
            new NodeCreation { Name = "fixed", WireGuardKey = new Applicant("x").WireGuardKey.ToString(), FixedEndpoint = "192.0.2.9:51820" }, Network.Administrator);
        string token = await network.CreateTokenAsync(allowedPrefixes: ["10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24"]);

        Refusal refusal = await Assert.ThrowsAsync<Refusal>(() => new Applicant("one").EnrolAsync(network, token, With(prefix)));

        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.InRange(refusal.Status, 400, 409);
    }

    [Fact]
    public async Task What_another_node_says_of_where_it_is_keeps_nobody_from_a_prefix()
    {
        await using Network network = await Network.CreateAsync();
        network.Reached.PeersOf = _ =>
        [
            (Guid.NewGuid(), new NodeEndpoint("203.0.113.9:51820", "reflexive")),
            (Guid.NewGuid(), new NodeEndpoint("203.0.113.10:51820", "fixed")),
        ];
        string token = await network.CreateTokenAsync(allowedPrefixes: ["203.0.113.0/24"]);

        Assert.Equal(["203.0.113.0/24"], (await new Applicant("one").EnrolAsync(network, token, With("203.0.113.0/24"))).ChildPrefixes);
    }

    [Theory]
    [InlineData("10.5.0.9:51820", "10.5.0.9:51820 is in 10.5.0.0/16, a network behind node one")]
    [InlineData("10.200.0.9:51820", "10.200.0.9:51820 is in 10.200.0.0/20, from which zone default takes")]
    public async Task A_fixed_endpoint_that_would_be_reached_through_the_tunnel_is_refused(string endpoint, string words)
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync(allowedPrefixes: ["10.5.0.0/16"]);
        await new Applicant("one").EnrolAsync(network, token, With("10.5.0.0/16"));
        await new Applicant("two").EnrolAsync(network, await network.CreateTokenAsync());
        string key = new Applicant("x").WireGuardKey.ToString();

        await RefusedAsync(409, words, () => network.Registry.CreateAsync(
            new NodeCreation { Name = "stock", WireGuardKey = key, FixedEndpoint = endpoint }, Network.Administrator));
        await RefusedAsync(409, words, () => network.Registry.ChangeAsync(
            "two", null, new NodeChange { FixedEndpoint = endpoint }, Network.Administrator));
    }

    [Fact]
    public async Task A_fixed_endpoint_may_be_in_the_node_s_own_network_in_another_zone_s_and_in_one_that_nobody_has_approved()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("other", "10.7.0.0/24");
        string near = await network.CreateTokenAsync(allowedPrefixes: ["10.5.0.0/16"]);
        string other = await network.CreateTokenAsync("other", allowedPrefixes: ["10.6.0.0/16"]);
        await new Applicant("own").EnrolAsync(network, near, With("10.5.0.0/16"));
        await new Applicant("far").EnrolAsync(network, other, With("10.6.0.0/16"));
        await new Applicant("greedy").EnrolAsync(network, await network.CreateTokenAsync(), With("10.8.0.0/16"));
        await new Applicant("two").EnrolAsync(network, await network.CreateTokenAsync());

        Assert.Equal("10.5.0.1:1", await SetAsync("own", "10.5.0.1:1"));
        Assert.Equal("10.6.0.1:1", await SetAsync("two", "10.6.0.1:1"));
        Assert.Equal("10.8.0.1:1", await SetAsync("two", "10.8.0.1:1"));

        async Task<string?> SetAsync(string node, string endpoint)
        {
            var change = new NodeChange { FixedEndpoint = endpoint };
            return (await network.Registry.ChangeAsync(node, null, change, Network.Administrator)).FixedEndpoint;
        }
    }

    [Fact]
    public async Task The_network_that_a_node_is_in_may_be_behind_it()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync(allowedPrefixes: ["192.168.1.0/24"]);

        EnrolmentResult result = await new Applicant("one").EnrolAsync(network, token, request => request with
        {
            ChildPrefixes = ["192.168.1.0/24"],
            Endpoints = [new NodeEndpoint("192.168.1.2:51820", "local")],
        });

        Assert.Equal("active", result.Status);
    }

    [Theory]
    [InlineData("10.5.0.0/16", "10.5.0.0/16")]
    [InlineData("10.5.0.0/16", "10.5.255.0/24")]
    [InlineData("10.5.128.0/24", "10.5.0.0/16")]
    public async Task Prefixes_of_one_zone_do_not_overlap_and_those_of_two_may(string first, string second)
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("other", "10.200.0.0/20");
        string token = await network.CreateTokenAsync(allowedPrefixes: ["10.0.0.0/8"], uses: 0);
        await new Applicant("one").EnrolAsync(network, token, With(first));

        await RefusedAsync(409, "node one has", () => new Applicant("two").EnrolAsync(network, token, With(second)));
        string other = await network.CreateTokenAsync("other", allowedPrefixes: ["10.0.0.0/8"]);
        Assert.Equal([second], (await new Applicant("two").EnrolAsync(network, other, With(second))).ChildPrefixes);
    }

    [Fact]
    public async Task Overlap_is_found_as_by_looking_at_every_pair()
    {
        const int Seed = 20260521;
        var random = new Random(Seed);
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {Seed}");
        await using Network network = await Network.CreateAsync();
        StoredZone zone = network.Store.Read(reader => Zones.Find(reader, "default"));
        StoredNode[] nodes = [.. Enumerable.Range(0, 8).Select(i => new StoredNode
        {
            Id = Guid.NewGuid(), Zone = zone.Id, Name = $"n{i}", Kind = "kedge", Status = "active", WireGuardKey = new Applicant("x").WireGuardKey,
            CreatedAt = network.Clock.GetUtcNow(),
        })];
        await network.Store.WriteAsync(change =>
        {
            foreach (StoredNode node in nodes)
                Nodes.Save(change, node, null);
        });
        List<(IpPrefix Prefix, Guid Node)> held = [];

        for (int i = 0; i < 600; i++)
        {
            var prefix = new IpPrefix(IpAddress.IPv4(0xC0A80000 | (uint)random.Next(1 << 16)), random.Next(18, 31));
            StoredNode node = nodes[random.Next(nodes.Length)];
            bool expected = !held.Any(other => other.Node != node.Id && (other.Prefix.Contains(prefix.Address) || prefix.Contains(other.Prefix.Address)));
            Exception? refusal = await Record.ExceptionAsync(() => network.Store.WriteAsync(
                change => Leases.TakeChildPrefixes(change, zone, node.Id, [prefix], _ => true)));
            bool taken = refusal is null;
            Assert.True(taken || refusal is Refusal, refusal?.ToString());
            Assert.True(expected == taken, $"{prefix} for {node.Name}, step {i}");
            if (!taken)
                continue;
            held.RemoveAll(other => other.Node == node.Id && (other.Prefix.Contains(prefix.Address) || prefix.Contains(other.Prefix.Address)));
            held.Add((prefix, node.Id));
        }
        Assert.InRange(held.Count, 20, 600);
    }

    private static Func<EnrolmentRequest, EnrolmentRequest> With(params string[] prefixes) => request => request with { ChildPrefixes = prefixes };
}
