using Kedge.Node.ControlLink;
using Kedge.Node.Keys;
using Kedge.Node.PortMapping;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Tests.Certificates;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.ControlLink;

/// <summary>A zone as its control link has it, in a folder of its own, with a controller that says whatever it likes.</summary>
public sealed class LinkedZoneTests : IDisposable
{
    private static readonly Guid Store = Guid.NewGuid(), Epoch = Guid.NewGuid(), Self = Guid.NewGuid(), Peer = Guid.NewGuid(), Other = Guid.NewGuid();

    private readonly TestNetwork _network = new();
    private readonly DateTimeOffset _now = DateTimeOffset.UtcNow;
    private readonly NodeFolder _folder = new(Directory.CreateTempSubdirectory("kedge-test-").FullName, "kd0");
    private readonly NodeKeys _keys;
    private readonly Membership _membership;
    private long _revision;

    public LinkedZoneTests()
    {
        _folder.Create();
        _keys = NodeKeys.Open(_folder.Keys, null);
        _membership = new Membership
        {
            Controller = "https://controller.example:8443",
            Network = _network.Id.ToString(),
            Pin = Sha256Digest.Of([1]).ToString(),
            Settings = new NodeSettings(),
            Status = Membership.Active,
            Name = "self",
            NodeId = Self,
            ZoneId = TestNetwork.Zone,
            ZoneName = "default",
            ZonePrefixes = ["10.200.0.0/16"],
        };
    }

    public void Dispose()
    {
        _keys.Dispose();
        _network.Dispose();
        Directory.Delete(_folder.StateDirectory, recursive: true);
    }

    [Fact]
    public void A_revoked_node_stays_out_though_the_controller_leaves_the_list_out()
    {
        NodeCertificate stolen = Certify(2);
        using LinkedZone zone = Start();
        Tell(zone, [List(1, stolen)], (Peer, stolen));
        Assert.Empty(Peers(zone));

        Tell(zone, [], (Peer, stolen));

        Assert.Empty(Peers(zone));
        Assert.Contains("revoked", Assert.Single(Status(zone).Refused).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_revoked_node_stays_out_though_the_link_was_killed_and_the_map_on_disk_is_replaced()
    {
        NodeCertificate stolen = Certify(2);
        LinkedZone killed = Start(); // not disposed: nothing is written at its end
        Tell(killed, [List(1, stolen)], (Peer, stolen));
        Assert.Equal(_revision, killed.AcknowledgementAfter(null)!.Revision);

        using (LinkedZone zone = Start())
            Tell(zone, [], (Peer, stolen));
        File.Delete(_folder.Map);
        using LinkedZone again = Start();
        Tell(again, [], (Peer, stolen), (Other, Certify(3)));

        Assert.Equal(["node-3"], Peers(again));
    }

    [Fact]
    public void A_revocation_that_cannot_be_kept_is_not_acknowledged()
    {
        NodeCertificate stolen = Certify(2);
        using LinkedZone zone = Start();
        Tell(zone, [], (Peer, stolen));
        zone.Tick();
        Directory.CreateDirectory(_folder.Trust + ".new"); // in the way of the file
        long before = zone.AcknowledgementAfter(null)?.Revision ?? 0;

        Tell(zone, [List(1, stolen)], (Peer, stolen));

        Assert.Empty(Peers(zone));
        Assert.Equal(before, zone.AcknowledgementAfter(null)?.Revision ?? 0);
        Assert.Contains(Status(zone).Problems, problem => problem.Contains("kept", StringComparison.Ordinal));
    }

    /// <summary>The controller sends the new certificate and the list that revokes the former one at once; others want the node's address.</summary>
    [Fact]
    public void A_peer_whose_former_certificate_is_revoked_stays_with_its_new_one()
    {
        NodeSubject subject = Subject(2);
        NodeCertificate former = Certify(subject), present = Certify(subject with { Name = "renamed" });
        NodeCertificate thief = Certify(Subject(3) with { Addresses = subject.Addresses });
        using LinkedZone zone = Start();
        Tell(zone, [], (Peer, former));
        Tell(zone, [], (Peer, former), (Other, thief));

        Tell(zone, [List(1, former)], (Peer, present), (Other, thief));

        Assert.Equal(["renamed"], Peers(zone));
    }

    [Fact]
    public void Two_nodes_that_exchange_addresses_are_both_admitted()
    {
        NodeSubject one = Subject(2), two = Subject(3);
        using LinkedZone zone = Start();
        Tell(zone, [], (Peer, Certify(one)), (Other, Certify(two)));

        Tell(zone, [], (Peer, Certify(one with { Addresses = two.Addresses })), (Other, Certify(two with { Addresses = one.Addresses })));

        Assert.Empty(Status(zone).Refused);
        Assert.Equal(
            [("node-2", "10.200.0.3"), ("node-3", "10.200.0.2")], Status(zone).Peers.Select(peer => (peer.Name, peer.Addresses[0])));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_peer_whose_new_record_is_refused_stays_though_the_controller_moves_and_the_link_restarts(bool isOtherKey)
    {
        NodeSubject subject = Subject(2);
        NodeCertificate admitted = Certify(subject);
        using var stranger = new TestNetwork();
        NodeCertificate refused = stranger.Certify(isOtherKey ? Subject(2) : subject, from: _now.AddHours(-1), to: _now.AddDays(7));
        using (LinkedZone zone = Start())
        {
            Tell(zone, [], (Peer, admitted));
            Tell(zone, [], (Peer, refused));
            zone.UseUnderlay([IpAddress.Parse("192.0.2.1")], []);
            Assert.Equal(["node-2"], Peers(zone));
            Assert.Single(Status(zone).Refused);
        }

        using (LinkedZone again = Start())
            Assert.Equal(["node-2"], Peers(again));

        // Not for ever: neither once it is revoked, nor once it is gone.
        using (LinkedZone revoking = Start())
        {
            Tell(revoking, [List(1, admitted)], (Peer, refused));
            Assert.Empty(Peers(revoking));
        }
        using LinkedZone last = Start();
        Assert.Empty(Peers(last));
    }

    [Fact]
    public void A_peer_that_was_removed_does_not_come_back_by_what_was_admitted_before_a_restart()
    {
        NodeCertificate admitted = Certify(2);
        using (LinkedZone zone = Start())
        {
            Tell(zone, [], (Peer, admitted));
            zone.UseUnderlay([IpAddress.Parse("192.0.2.1")], []);
        }
        byte[] kept = File.ReadAllBytes(_folder.Admitted);
        using (LinkedZone removing = Start())
            Tell(removing, []);
        File.WriteAllBytes(_folder.Admitted, kept); // as if the link had been killed between the two files

        using LinkedZone zoneAgain = Start();
        Assert.Empty(Peers(zoneAgain));
        Tell(zoneAgain, [], (Peer, _network.Certify(Subject(2), from: _now.AddDays(-2), to: _now.AddDays(-1))));

        Assert.Empty(Peers(zoneAgain));
        Assert.Contains("no longer valid", Assert.Single(Status(zoneAgain).Refused).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_that_was_admitted_before_a_restart_is_known_though_the_map_on_disk_is_lost()
    {
        NodeCertificate admitted = Certify(2);
        using (LinkedZone zone = Start())
            Tell(zone, [], (Peer, admitted));
        File.Delete(_folder.Map);
        File.Delete(_folder.PreviousMap);
        File.Delete(_folder.Trust); // so that there is something to write
        using (LinkedZone withoutMap = Start())
            withoutMap.Tick();

        using LinkedZone again = Start();
        using var stranger = new TestNetwork();
        Tell(again, [], (Peer, stranger.Certify(Subject(2))));

        Assert.Equal(["node-2"], Peers(again));
    }

    [Fact]
    public void A_damaged_file_of_admitted_certificates_costs_only_what_is_in_it()
    {
        using (LinkedZone zone = Start())
            Tell(zone, [], (Peer, Certify(2)), (Other, Certify(3)));
        foreach (string damage in (string[])["", "null", "[]", "{\"x\":1}", $"{{\"{Peer}\":\"AAAA\"}}", $"{{\"{Peer}\":null}}"])
        {
            File.WriteAllText(_folder.Admitted, damage);
            using LinkedZone again = Start();
            Assert.Equal(["node-2", "node-3"], Peers(again));
        }
    }

    [Fact]
    public void A_node_that_joined_before_there_were_Rosenpass_keys_makes_them_once_and_asks_for_a_certificate_of_them()
    {
        using LinkedZone zone = Start();

        CertificateRenewal renewal = zone.MakeRenewal();

        var hash = Sha256Digest.Of(File.ReadAllBytes(_folder.Keys.RosenpassPublicKey));
        Assert.Equal(Convert.ToBase64String(hash.ToArray()), renewal.RosenpassKeyHash);
        Assert.Equal(renewal.RosenpassKeyHash, zone.MakeRenewal().RosenpassKeyHash);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.Keys.RosenpassKey));
        var keys = EnrolmentTranscript.OfKeys(
            _network.Id.ToArray(), _keys.IdentityPublicKey.ToString(), _keys.WireGuardPublicKey.ToString(), renewal.RosenpassKeyHash);
        Assert.True(keys.IsSignedBy(_keys.IdentityPublicKey, renewal.KeysSignature));

        NodeSubject own = Own() with { RosenpassKeyHash = hash };
        Assert.False(zone.TryRenew(Certify(own with { RosenpassKeyHash = Sha256Digest.Of([1]) }).Der.Span, [])); // of another key
        Assert.True(zone.TryRenew(Certify(own).Der.Span, []));
        Assert.Equal(new CertificateRenewal(), zone.MakeRenewal());
    }

    [Fact]
    public void Addresses_of_the_controller_come_before_those_that_are_known_and_settings_of_others_stay()
    {
        using LinkedZone zone = Start();
        _membership.Write(_folder);
        (_membership with { Settings = new NodeSettings { Mtu = 1300 } }).Write(_folder); // as 'kedge set' does meanwhile

        TellControllers(zone, "https://new.example:8443", "http://plain.example", "nonsense", "https://192.0.2.1:8443");

        Membership kept = Membership.Read(_folder)!;
        Assert.Equal("https://new.example:8443/", kept.Controller);
        Assert.Equal(["https://192.0.2.1:8443/", "https://controller.example:8443/"], kept.OtherControllers);
        Assert.Equal(1300, kept.Settings.Mtu);
        TellControllers(zone, [.. Enumerable.Range(1, 16).Select(i => $"https://192.0.2.{i}:8443")]);
        Assert.Equal(Membership.MaximumControllers, zone.Membership.ControllerAddresses.Count);
        TellControllers(zone); // says nothing
        Assert.Equal("https://192.0.2.1:8443/", Membership.Read(_folder)!.Controller);
    }

    [Fact]
    public void A_membership_that_ends_and_comes_back_is_noted_on_disk_and_among_the_problems()
    {
        using LinkedZone zone = Start();

        zone.NoteMembership("Node self was removed from this network.");

        Assert.Equal((Membership.Removed, "Node self was removed from this network."), (Membership.Read(_folder)!.Status, Membership.Read(_folder)!.Reason));
        Assert.Contains("'kedge up --interface kd0 --join-file FILE'", Assert.Single(Status(zone).Problems), StringComparison.Ordinal);
        zone.NoteMembership(null);
        Assert.Equal((Membership.Active, null), (Membership.Read(_folder)!.Status, Membership.Read(_folder)!.Reason));
        Assert.Empty(Status(zone).Problems);
    }

    private void TellControllers(LinkedZone zone, params string[] urls)
    {
        byte[][] frames =
        [
            MapFrameWriter.Open(Store, Epoch, _now),
            MapFrameWriter.Snapshot(),
            MapFrameWriter.Put(new SettingsResource([], null, urls.Length == 0 ? null : urls)),
            MapFrameWriter.Commit(++_revision, 0, 0),
        ];
        Assert.Equal(MapOutcome.Committed, frames.Select(frame => zone.Apply(frame)).ToList()[^1]);
    }

    private static LinkStatus Status(LinkedZone zone) => zone.Status(new ControllerConnection("", false, null, null), null);

    private static IEnumerable<string> Peers(LinkedZone zone) => Status(zone).Peers.Select(peer => peer.Name);

    private LinkedZone Start()
    {
        NodeCertificate own = Certify(Own());
        var problems = new Problems(NullLogger.Instance);
        return new LinkedZone(
            _folder, _membership, new CertificateFile(own, Authorities), _keys, new NodeProcess(_folder.Path, "kd0", problems),
            new VerifiedCertificates(), new PortMapper(new byte[32], NullLogger.Instance), problems, NullLogger.Instance);
    }

    /// <summary>A snapshot of the zone at the next revision.</summary>
    private void Tell(LinkedZone zone, RevocationList[] lists, params (Guid Id, NodeCertificate Certificate)[] peers)
    {
        List<byte[]> frames =
        [
            MapFrameWriter.Open(Store, Epoch, _now),
            MapFrameWriter.Snapshot(),
            MapFrameWriter.Put(new TrustResource(Authorities, [.. lists.Select(list => list.Der.ToArray())])),
            .. peers.Select(peer => MapFrameWriter.Put(peer.Id, new PeerResource(peer.Certificate.Der.ToArray()))),
            MapFrameWriter.Commit(++_revision, 0, peers.Length),
        ];
        Assert.Equal(MapOutcome.Committed, frames.Select(frame => zone.Apply(frame)).ToList()[^1]);
    }

    private byte[][] Authorities => [_network.Master.Certificate.Der.ToArray(), _network.Issuer.Certificate.Der.ToArray()];

    private NodeSubject Own() => _network.Subject() with
    {
        IdentityKey = _keys.IdentityPublicKey,
        WireGuardKey = _keys.WireGuardPublicKey,
        Addresses = [IpAddress.Parse("10.200.0.1")],
    };

    private NodeSubject Subject(int host) => _network.Subject() with { Name = $"node-{host}", Addresses = [IpAddress.Parse($"10.200.0.{host}")] };

    private NodeCertificate Certify(int host) => Certify(Subject(host));

    private NodeCertificate Certify(NodeSubject subject) => _network.Certify(subject, from: _now.AddHours(-1), to: _now.AddDays(7));

    private RevocationList List(int number, params NodeCertificate[] revoked) =>
        _network.Issuer.SignRevocationList(number, _now, [.. revoked.Select(node => new RevokedCertificate(node.Serial, _now))]);
}
