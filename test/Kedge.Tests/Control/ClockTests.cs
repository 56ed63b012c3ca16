using Kedge.Control.Identity;
using Kedge.Control.Pki;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using static Kedge.Tests.Control.EnrolmentTests;

namespace Kedge.Tests.Control;

/// <summary>What time does, and what a clock that goes back and forth does not.</summary>
public class ClockTests
{
    [Fact]
    public async Task A_certificate_is_renewed_at_half_of_its_life_and_not_before()
    {
        await using Network network = await Network.CreateAsync();
        EnrolmentResult first = await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync());
        network.Clock.Advance(TimeSpan.FromDays(3));
        EnrolmentResult early = await network.Enrolments.RenewAsync(first.NodeId);
        network.Clock.Advance(TimeSpan.FromHours(13));
        EnrolmentResult due = await network.Enrolments.RenewAsync(first.NodeId);

        Assert.Equal(first.Certificate, early.Certificate);
        Assert.NotEqual(first.Certificate, due.Certificate);
        Assert.Equal(network.Clock.GetUtcNow() + NetworkAuthority.Lifetime, Applicant.Read(due).NotAfter);
    }

    [Fact]
    public async Task An_expired_certificate_is_renewed_while_its_node_is_registered()
    {
        await using Network network = await Network.CreateAsync();
        var node = new Applicant("one");
        EnrolmentResult first = await node.EnrolAsync(network, await network.CreateTokenAsync());
        network.Clock.Advance(TimeSpan.FromDays(100));

        NodeCertificate renewed = Applicant.Read(await network.Enrolments.RenewAsync(first.NodeId));

        Assert.Null(network.Authority.Trust([]).Verify(renewed, first.ZoneId, network.Clock.GetUtcNow()));
        Assert.Equal(first.Addresses, renewed.Addresses.Select(address => address.ToString()));
    }

    [Fact]
    public async Task A_clock_that_jumps_removes_no_node_and_gives_no_address_twice()
    {
        await using Network network = await Network.CreateAsync();
        HashSet<string> given = [];
        foreach ((TimeSpan jump, int i) in new[] { 0, 400, -400, -30, 3650, -3620 }.Select(days => TimeSpan.FromDays(days)).Select((jump, i) => (jump, i)))
        {
            network.Clock.Set(jump);
            await network.Maintenance.RunOnceAsync();
            EnrolmentResult result = await new Applicant($"node-{i}").EnrolAsync(network, await network.CreateTokenAsync(ephemeral: true));
            Assert.All(result.Addresses, address => Assert.True(given.Add(address), $"{address} was given twice"));
        }
        await network.Maintenance.RunOnceAsync();

        Assert.Equal(6, network.Registry.List(null, "active").Count);
        List<AuditEntry> audit = network.Store.Read(reader => reader.List(
            $"SELECT sequence, at, detail FROM audit ORDER BY sequence",
            row => new AuditEntry { Sequence = row.Number(0), At = row.Time(1), Actor = "", Action = "", Subject = "", Detail = row.Text(2) }));
        Assert.Equal(Enumerable.Range(1, audit.Count).Select(i => (long)i), audit.Select(entry => entry.Sequence));
    }

    [Fact]
    public async Task An_ephemeral_node_vanishes_after_silence_and_a_lasting_one_stays()
    {
        await using Network network = await Network.CreateAsync();
        EnrolmentResult gone = await new Applicant("gone").EnrolAsync(network, await network.CreateTokenAsync(ephemeral: true));
        EnrolmentResult here = await new Applicant("here").EnrolAsync(network, await network.CreateTokenAsync(ephemeral: true));
        EnrolmentResult lasting = await new Applicant("lasting").EnrolAsync(network, await network.CreateTokenAsync());
        using IDisposable connected = network.Presence.Connect(here.NodeId);
        network.Clock.Advance(Maintenance.EphemeralSilence - TimeSpan.FromSeconds(1));
        await network.Maintenance.RunOnceAsync();
        Assert.Equal(3, network.Registry.List(null, null).Count);
        network.Clock.Advance(TimeSpan.FromSeconds(2));
        await network.Maintenance.RunOnceAsync();

        Assert.Equal(["here", "lasting"], network.Registry.List(null, null).Select(node => node.Name));
        Assert.True(network.Registry.Show("here", null).Online);
        Assert.False(network.Registry.Show("lasting", null).Online);
        Assert.NotEqual(gone.NodeId, lasting.NodeId);
        Assert.Contains(network.ReadAudit(), entry => entry == "node.vanish node gone");
    }

    [Fact]
    public async Task A_pending_node_that_stops_asking_gives_back_what_was_kept_for_it()
    {
        await using Network network = await Network.CreateLockedAsync();
        string token = await network.CreateTokenAsync(uses: 0);
        var patient = new Applicant("patient");
        await patient.EnrolAsync(network, token, request => request with { ChildPrefixes = ["10.5.0.0/16"] });
        await new Applicant("gone").EnrolAsync(network, token, request => request with { ChildPrefixes = ["10.6.0.0/16"] });
        network.Clock.Advance(Maintenance.PendingSilence - TimeSpan.FromMinutes(1));
        Assert.Equal("pending", patient.Inquire(network).Status);
        network.Clock.Advance(TimeSpan.FromMinutes(2));
        await network.Maintenance.RunOnceAsync();

        Assert.Equal(["patient"], network.Registry.List(null, null).Select(node => node.Name));
        Assert.DoesNotContain(network.Store.Read(reader => Leases.List(reader, null)), lease => lease.Value == "10.6.0.0/16" || lease.NodeName == "gone");
    }

    [Fact]
    public async Task A_stock_peer_is_renewed_by_the_controller_itself()
    {
        await using Network network = await Network.CreateAsync();
        RegisteredNode peer = await network.Registry.CreateAsync(
            new NodeCreation { Name = "phone", WireGuardKey = new Applicant("x").WireGuardKey.ToString() }, Network.Administrator);
        network.Clock.Advance(TimeSpan.FromDays(4));
        await network.Maintenance.RunOnceAsync();

        Assert.True(network.Registry.Show("phone", null).CertificateExpiresAt > peer.CertificateExpiresAt);
    }

    [Fact]
    public async Task When_a_node_was_seen_outlives_the_process()
    {
        await using Network network = await Network.CreateAsync();
        EnrolmentResult node = await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync());
        network.Clock.Advance(TimeSpan.FromMinutes(5));
        network.Presence.Seen(node.NodeId);
        await network.Maintenance.WriteSeenAsync();

        Assert.Equal(network.Clock.GetUtcNow(), network.Store.Read(reader => Nodes.TryFind(reader, node.NodeId))!.SeenAt);
        await RefusedAsync(404, "nobody", () => Task.FromResult(network.Registry.Show("nobody", null)));
    }
}
