using Kedge.Control;
using Kedge.Control.Identity;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Control;

/// <summary>How nodes join, and who must not.</summary>
public class EnrolmentTests
{
    [Fact]
    public async Task A_node_joins_with_a_token_and_gets_a_certificate_that_the_network_believes()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");

        EnrolmentResult result = await node.EnrolAsync(network, await network.CreateTokenAsync());

        Assert.Equal("active", result.Status);
        Assert.Null(result.Reason);
        NodeCertificate certificate = Applicant.Read(result);
        Assert.Null(network.Authority.Trust([]).Verify(certificate, result.ZoneId, network.Clock.GetUtcNow()));
        Assert.Null(certificate.CheckKeys(P256PublicKey.Of(node.IdentityKey), node.WireGuardKey));
        Assert.Equal(result.Addresses, certificate.Addresses.Select(address => address.ToString()));
        Assert.Equal([true, false], certificate.Addresses.Select(address => address.IsIPv4));
        Assert.All(certificate.Addresses, address => Assert.Contains(result.ZonePrefixes, prefix => IpPrefix.Parse(prefix).Contains(address)));
        MapNode seen = Assert.Single(await network.ReadMapAsync(result.ZoneId));
        Assert.Equal(certificate.Der.ToArray(), seen.Certificate);
    }

    [Fact]
    public async Task Without_a_token_nobody_new_joins()
    {
        await using Network network = await Network.CreateAsync();

        await RefusedAsync(403, "token", () => new Applicant("one").EnrolAsync(network, null));
    }

    [Theory]
    [InlineData("0123456789abcdef.AAAA")]
    [InlineData("nonsense")]
    [InlineData("")]
    public async Task A_token_that_is_none_is_refused(string token)
    {
        await using Network network = await Network.CreateAsync();

        await RefusedAsync(403, "oken", () => new Applicant("one").EnrolAsync(network, token));
    }

    [Fact]
    public async Task A_token_that_is_none_is_refused_while_writes_of_others_wait()
    {
        await using Network network = await Network.CreateAsync();
        using var holding = new ManualResetEventSlim();
        using var held = new ManualResetEventSlim();
        Task write = network.Store.WriteAsync(_ =>
        {
            held.Set();
            holding.Wait(TestContext.Current.CancellationToken);
        });
        held.Wait(TestContext.Current.CancellationToken);
        try
        {
            await RefusedAsync(403, "not known", () => new Applicant("one").EnrolAsync(network, "0123456789abcdef.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
            await RefusedAsync(403, "token", () => new Applicant("two").EnrolAsync(network, null));
            Assert.False(write.IsCompleted);
        }
        finally
        {
            holding.Set();
            await write;
        }
    }

    [Fact]
    public async Task A_token_with_another_secret_is_refused()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync();
        string forged = string.Concat(token.AsSpan(0, token.Length - 4), token.EndsWith("AAAA", StringComparison.Ordinal) ? "BBBB" : "AAAA");

        await RefusedAsync(403, "secret", () => new Applicant("one").EnrolAsync(network, forged));
    }

    [Fact]
    public async Task A_stolen_public_key_is_worth_nothing_without_its_private_key()
    {
        await using Network network = await Network.CreateAsync();
        var victim = new Applicant("victim");
        var thief = new Applicant("thief") { WireGuardKey = victim.WireGuardKey };

        await RefusedAsync(403, "possession", async () => await thief.EnrolAsync(network, await network.CreateTokenAsync()));
    }

    [Fact]
    public async Task A_stolen_identity_key_is_worth_nothing_without_its_private_key()
    {
        await using Network network = await Network.CreateAsync();
        var victim = new Applicant("victim");
        await victim.EnrolAsync(network, await network.CreateTokenAsync());
        var thief = new Applicant("thief");

        await RefusedAsync(403, "signature", () => thief.EnrolAsync(network, null, request => request with { IdentityKey = victim.Request.IdentityKey }));
    }

    [Fact]
    public async Task A_replayed_submission_is_refused()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentSubmission submission = node.Submit(network, await network.CreateTokenAsync(), node.Request);
        await network.Enrolments.SubmitAsync(submission, null);

        await RefusedAsync(403, "hallenge", () => network.Enrolments.SubmitAsync(submission, null));
    }

    [Fact]
    public async Task A_proof_does_not_hold_for_another_request_or_token()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentSubmission submission = node.Submit(network, await network.CreateTokenAsync(), node.Request);

        string other = await network.CreateTokenAsync();
        await RefusedAsync(403, "possession", () => network.Enrolments.SubmitAsync(submission with { Token = other }, null));
        await RefusedAsync(403, "possession", () => network.Enrolments.SubmitAsync(submission with { Request = submission.Request with { Name = "two" } }, null));
    }

    [Fact]
    public async Task A_challenge_expires_and_none_can_be_made_up()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        string token = await network.CreateTokenAsync();
        EnrolmentSubmission late = node.Submit(network, token, node.Request);
        network.Clock.Advance(Challenges.Lifetime + TimeSpan.FromSeconds(1));

        await RefusedAsync(403, "hallenge", () => network.Enrolments.SubmitAsync(late, null));
        await RefusedAsync(403, "hallenge", () => network.Enrolments.SubmitAsync(late with { Challenge = Guid.NewGuid() }, null));
        await RefusedAsync(403, "hallenge", () => network.Enrolments.SubmitAsync(late with { Challenge = Guid.Empty }, null));
    }

    [Fact]
    public async Task A_clock_that_is_set_back_or_forth_does_not_touch_a_challenge()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentSubmission submission = node.Submit(network, await network.CreateTokenAsync(), node.Request);
        network.Clock.Set(TimeSpan.FromMinutes(-4));

        Assert.Equal("active", (await network.Enrolments.SubmitAsync(submission, null)).Status);
    }

    [Fact]
    public async Task A_token_of_one_zone_does_not_open_another()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("other", "10.200.0.0/20");
        string token = await network.CreateTokenAsync("other");

        await RefusedAsync(403, "other", () => new Applicant("one").EnrolAsync(network, token, request => request with { Zone = "default" }));
    }

    [Fact]
    public async Task A_token_of_another_zone_does_not_take_over_a_node_by_its_WireGuard_key()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("other", "10.200.0.0/20");
        var node = new Applicant("one");
        await node.EnrolAsync(network, await network.CreateTokenAsync());
        string token = await network.CreateTokenAsync("other");

        await RefusedAsync(403, "zone", () => new Applicant("one", node).EnrolAsync(network, token));
    }

    [Fact]
    public async Task A_used_token_is_refused_for_a_second_node_but_not_for_the_first()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync();
        var first = new Applicant("one");
        EnrolmentResult lost = await first.EnrolAsync(network, token);

        await RefusedAsync(403, "used", () => new Applicant("two").EnrolAsync(network, token));
        EnrolmentResult again = await first.EnrolAsync(network, token);

        Assert.Equal(lost.NodeId, again.NodeId);
        Assert.Equal(lost.Addresses, again.Addresses);
        Assert.Equal(lost.Certificate, again.Certificate); // the answer that was lost on the way, once more
    }

    [Fact]
    public async Task What_is_refused_uses_no_token()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync();
        await RefusedAsync(409, "10.9.9.9", () => new Applicant("one").EnrolAsync(network, token, request => request with { RequestedAddresses = ["10.9.9.9"] }));

        Assert.Equal("active", (await new Applicant("two").EnrolAsync(network, token)).Status);
    }

    [Fact]
    public async Task An_expired_and_a_revoked_token_are_refused()
    {
        await using Network network = await Network.CreateAsync();
        string revoked = await network.CreateTokenAsync();
        string expired = await network.CreateTokenAsync();
        await network.Store.WriteAsync(change => JoinTokens.Revoke(change, Network.Administrator, revoked[..16]));
        await RefusedAsync(403, "revoked", () => new Applicant("one").EnrolAsync(network, revoked));
        network.Clock.Advance(TimeSpan.FromHours(1));

        await RefusedAsync(403, "expired", () => new Applicant("one").EnrolAsync(network, expired));
    }

    [Fact]
    public async Task A_token_made_while_the_clock_ran_ahead_does_not_last_longer_for_that()
    {
        await using Network network = await Network.CreateAsync();
        network.Clock.Set(TimeSpan.FromDays(3650));
        string token = await network.CreateTokenAsync();
        network.Clock.Set(TimeSpan.FromDays(-3650));

        await RefusedAsync(403, "expired", () => new Applicant("one").EnrolAsync(network, token));
    }

    [Fact]
    public async Task A_token_for_three_nodes_is_for_three()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync(uses: 3);
        foreach (string name in new[] { "one", "two", "three" })
            await new Applicant(name).EnrolAsync(network, token);

        await RefusedAsync(403, "used", () => new Applicant("four").EnrolAsync(network, token));
    }

    [Fact]
    public async Task The_same_WireGuard_key_on_another_machine_keeps_node_and_address()
    {
        await using Network network = await Network.CreateAsync();
        var machine = new Applicant("one");
        EnrolmentResult before = await machine.EnrolAsync(network, await network.CreateTokenAsync());
        var replacement = new Applicant("one", machine);

        EnrolmentResult after = await replacement.EnrolAsync(network, await network.CreateTokenAsync());

        Assert.Equal(before.NodeId, after.NodeId);
        Assert.Equal(before.Addresses, after.Addresses);
        Assert.Null(Applicant.Read(after).CheckKeys(P256PublicKey.Of(replacement.IdentityKey), machine.WireGuardKey));
        await RefusedAsync(403, "token", () => machine.EnrolAsync(network, null)); // the old machine's identity is nobody's now
        Assert.Contains(network.ReadAudit(), entry => entry.StartsWith("node.replace", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_new_WireGuard_key_under_the_same_identity_is_told_to_the_others()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentResult before = await node.EnrolAsync(network, await network.CreateTokenAsync());
        long revision = network.Store.Revision;
        var rotated = new Applicant("one");
        EnrolmentSubmission submission = Rotate(network, node, rotated);

        EnrolmentResult after = await network.Enrolments.SubmitAsync(submission, null);

        Assert.Equal(before.Addresses, after.Addresses);
        Assert.Equal(rotated.WireGuardKey, Applicant.Read(after).WireGuardKey);
        MapChange change = Assert.Single((await network.Store.ReadChangesAsync(revision, TestContext.Current.CancellationToken))!);
        Assert.Equal((MapSubject.Node, after.NodeId, false), (change.Subject, change.Id, change.Removed));
    }

    [Fact]
    public async Task A_removed_node_is_refused_from_then_on_and_gone_from_the_map()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentResult joined = await node.EnrolAsync(network, await network.CreateTokenAsync());
        long revision = network.Store.Revision;

        await network.Registry.RemoveAsync("one", null, Network.Administrator);

        MapChange change = Assert.Single((await network.Store.ReadChangesAsync(revision, TestContext.Current.CancellationToken))!);
        Assert.True(change.Removed);
        Assert.Equal(joined.NodeId, change.Id);
        Assert.Empty(await network.ReadMapAsync(joined.ZoneId));
        await RefusedAsync(403, "removed", () => node.EnrolAsync(network, null));
        await RefusedAsync(403, "removed", async () => await node.EnrolAsync(network, await network.CreateTokenAsync()));
        Assert.Equal(403, Assert.Throws<Refusal>(() => node.Inquire(network)).Status);
        await RefusedAsync(403, "removed", () => network.Enrolments.RenewAsync(joined.NodeId));
    }

    [Fact]
    public async Task A_node_that_left_comes_back_with_another_token_only()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentResult joined = await node.EnrolAsync(network, await network.CreateTokenAsync());
        await network.Registry.LeaveAsync(joined.NodeId, Network.Administrator, "node.leave");

        await RefusedAsync(403, "token", () => node.EnrolAsync(network, null));
        Assert.Equal("active", (await node.EnrolAsync(network, await network.CreateTokenAsync())).Status);
    }

    [Fact]
    public async Task A_name_is_a_node_s_own_in_its_zone()
    {
        await using Network network = await Network.CreateAsync();
        await network.CreateZoneAsync("other", "10.200.0.0/20");
        await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync());

        await RefusedAsync(409, "one", async () => await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync()));
        Assert.Equal("active", (await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync("other"))).Status);
    }

    [Fact]
    public async Task A_default_name_that_is_taken_gets_a_number_and_one_that_was_asked_for_is_refused()
    {
        await using Network network = await Network.CreateAsync();
        string token = await network.CreateTokenAsync(uses: 0);
        string longest = new('a', 63);
        string[] names = ["web", "web", "web", "web-2", longest, longest, longest];
        List<string> given = [];
        foreach (string name in names)
            given.Add((await new Applicant(name).EnrolAsync(network, token, AsDefault)).Name);

        Assert.Equal(["web", "web-2", "web-3", "web-2-2", longest, new string('a', 55) + "-2", new string('a', 55) + "-3"], given);
        var node = new Applicant("web");
        EnrolmentResult joined = await node.EnrolAsync(network, token, AsDefault);
        Assert.Equal((joined.NodeId, "web-4"), (joined.NodeId, (await node.EnrolAsync(network, null, AsDefault)).Name));
        Refusal refusal = await Assert.ThrowsAsync<Refusal>(() => new Applicant("web").EnrolAsync(network, token));
        Assert.Equal((409, RefusalReason.NameTaken), (refusal.Status, refusal.Reason));
        Assert.Contains("--name", refusal.Message, StringComparison.Ordinal);

        static EnrolmentRequest AsDefault(EnrolmentRequest request) => request with { IsDefaultName = true };
    }

    [Fact]
    public async Task A_refusal_says_for_programs_whether_the_node_was_removed_or_is_not_known()
    {
        await using Network network = await Network.CreateAsync();
        Applicant removed = new("removed"), left = new("left");
        EnrolmentResult joined = await removed.EnrolAsync(network, await network.CreateTokenAsync());
        await network.Registry.LeaveAsync((await left.EnrolAsync(network, await network.CreateTokenAsync())).NodeId, Network.Administrator, "node.vanish");
        await network.Registry.RemoveAsync("removed", null, Network.Administrator);

        Assert.Equal(RefusalReason.NodeRemoved, Assert.Throws<Refusal>(() => removed.Inquire(network)).Reason);
        Assert.Equal(RefusalReason.NodeRemoved, (await Assert.ThrowsAsync<Refusal>(() => removed.EnrolAsync(network, null))).Reason);
        Assert.Equal(RefusalReason.NodeUnknown, Assert.Throws<Refusal>(() => left.Inquire(network)).Reason);
        Assert.Equal(RefusalReason.NodeUnknown, (await Assert.ThrowsAsync<Refusal>(() => left.EnrolAsync(network, null))).Reason);
        Assert.Equal(RefusalReason.TokenInvalid, (await Assert.ThrowsAsync<Refusal>(() => left.EnrolAsync(network, "id.secret"))).Reason);
        Assert.NotEqual(joined.NodeId, (await left.EnrolAsync(network, await network.CreateTokenAsync())).NodeId);
    }

    [Fact]
    public async Task A_name_that_an_administrator_gave_stays_until_the_node_asks_for_another_than_before()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        Assert.Equal("one", (await node.EnrolAsync(network, await network.CreateTokenAsync())).Name);
        await network.Registry.ChangeAsync("one", null, new NodeChange { Name = "attic" }, Network.Administrator);

        EnrolmentResult again = await node.EnrolAsync(network, null, request => request with { RequestedAddresses = ["10.200.7.7"] });
        Assert.Equal(("attic", "attic"), (again.Name, Applicant.Read(again).Name));
        Assert.Equal("attic", node.Inquire(network).Name);
        EnrolmentResult moved = await new Applicant("one", node).EnrolAsync(network, await network.CreateTokenAsync());
        Assert.Equal(("attic", again.NodeId), (moved.Name, moved.NodeId));
    }

    [Fact]
    public async Task A_node_that_asks_for_another_name_than_before_gets_it_whatever_an_administrator_called_it()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentResult joined = await node.EnrolAsync(network, await network.CreateTokenAsync());
        await network.Registry.ChangeAsync("one", null, new NodeChange { Name = "attic" }, Network.Administrator);
        await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync()); // the name is free for another

        node.Name = "two";
        EnrolmentResult renamed = await node.EnrolAsync(network, null);
        Assert.Equal(("two", "two", joined.NodeId), (renamed.Name, Applicant.Read(renamed).Name, renamed.NodeId));

        node.Name = "one";
        await RefusedAsync(409, "another node 'one'", () => node.EnrolAsync(network, null));
    }

    [Fact]
    public async Task All_that_is_wrong_with_a_request_is_told_at_once()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        string token = await network.CreateTokenAsync();

        Refusal refusal = await Assert.ThrowsAsync<Refusal>(() => node.EnrolAsync(network, token, request => request with
        {
            Name = "No Name",
            RequestedAddresses = ["10.200.0.1", "10.200.0.2"],
            ChildPrefixes = ["10.1.0.1/16", "elsewhere"],
            Endpoints = [new NodeEndpoint("127.0.0.1:1", "odd")],
        }));

        Assert.Equal(400, refusal.Status);
        Assert.Equal(
            ["request.name", "request.requestedAddresses[1]", "request.childPrefixes[0]", "request.childPrefixes[1]", "request.endpoints[0].address", "request.endpoints[0].kind"],
            refusal.Faults.Select(fault => fault.Field));
        Assert.Contains("'10.1.0.1/16' has bits behind its prefix; 10.1.0.0/16 would be right.", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_that_has_made_its_Rosenpass_keys_since_gets_them_certified_at_its_next_renewal()
    {
        await using Network network = await Network.CreateAsync();
        EnrolmentResult joined = await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync());
        var hash = Kedge.Protocol.Sha256Digest.Of("a public key"u8);
        var renewal = new CertificateRenewal(Convert.ToBase64String(hash.ToArray()), null);

        Assert.Null(Applicant.Read(await network.Enrolments.RenewAsync(joined.NodeId, renewal)).RosenpassKeyHash); // not due yet
        network.Clock.Advance(TimeSpan.FromDays(4));
        Assert.Equal(hash, Applicant.Read(await network.Enrolments.RenewAsync(joined.NodeId, renewal)).RosenpassKeyHash);
        network.Clock.Advance(TimeSpan.FromDays(4));
        Assert.Equal(hash, Applicant.Read(await network.Enrolments.RenewAsync(joined.NodeId)).RosenpassKeyHash);
    }

    internal static async Task RefusedAsync(int status, string part, Func<Task> action)
    {
        Refusal refusal = await Assert.ThrowsAsync<Refusal>(action);
        Assert.Equal(status, refusal.Status);
        Assert.Contains(part, refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>The identity of one with the WireGuard key of another, of which it proves possession.</summary>
    private static EnrolmentSubmission Rotate(Network network, Applicant identity, Applicant key)
    {
        EnrolmentChallenge challenge = network.Challenges.Create();
        EnrolmentRequest request = identity.Request with { WireGuardKey = key.WireGuardKey.ToString() };
        string proof = key.Submit(network, null, request, challenge).Proof;
        return identity.Submit(network, null, request, challenge) with { Proof = proof };
    }
}
