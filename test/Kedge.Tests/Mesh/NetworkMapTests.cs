using System.Text;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using static Kedge.Tests.Mesh.MapLines;

namespace Kedge.Tests.Mesh;

public class NetworkMapTests
{
    [Fact]
    public void A_snapshot_takes_effect_at_its_commit()
    {
        var map = new NetworkMap(Self);
        MapOutcome before = map.ApplyAll(Open(), MapFrameWriter.Snapshot(), Peer(0, "self"), Peer(1, "one"), Endpoints(1, "192.0.2.1:51820"));

        Assert.Equal(MapOutcome.Nothing, before);
        Assert.True(map.IsEmpty);
        Assert.Empty(map.Peers);

        Assert.Equal(MapOutcome.Committed, map.ApplyAll(Commit(7, 2, 3)));
        Assert.Equal("1=one", map.Described());
        Assert.Equal("self", Encoding.UTF8.GetString(map.Self!.Certificate.Span));
        Assert.Equal([new PeerEndpoint(Endpoint.Parse("192.0.2.1:51820"), PeerEndpointKind.Reflexive)], map.EndpointsOf(NodeId(1)));
        Assert.Equal(new MapPosition(Store, 7, Epoch, 3), map.Position);
        Assert.Equal(Time, map.ControllerTime);
    }

    [Fact]
    public void A_delta_changes_what_it_names_and_nothing_else()
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Committed, map.ApplyAll(Open(), Peer(2, "two anew"), Remove(3), Peer(4, "four"), Commit(12, 4)));

        Assert.Equal("1=one 2=two anew 4=four", map.Described());
        Assert.Equal([NodeId(2), NodeId(3), NodeId(4)], map.Difference.Peers.Order());
        Assert.False(map.Difference.Self);
        Assert.False(map.Difference.Network);
    }

    [Fact]
    public void A_snapshot_takes_away_what_it_does_not_name_and_reports_only_what_changed()
    {
        NetworkMap map = FourNodes();

        map.ApplyAll(Open(), MapFrameWriter.Snapshot(), Peer(0, "self"), Peer(1, "one"), Peer(3, "three anew"), Commit(20, 3));

        Assert.Equal("1=one 3=three anew", map.Described());
        Assert.Equal([NodeId(2), NodeId(3)], map.Difference.Peers.Order());
        Assert.Single(map.EndpointsOf(NodeId(1)));
    }

    [Fact]
    public void A_snapshot_that_is_cut_off_takes_nothing_away()
    {
        NetworkMap map = FourNodes();

        map.ApplyAll(Open(), MapFrameWriter.Snapshot(), Peer(0, "self"));
        map.ApplyAll(Open(), Bookmark(10, 4));

        Assert.Equal("1=one 2=two 3=three", map.Described());
        Assert.Equal(10, map.Position.Revision);
    }

    [Fact]
    public void A_snapshot_with_fewer_records_than_it_counts_takes_nothing_away_and_the_next_stream_begins_anew()
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Diverged, map.ApplyAll(Open(), MapFrameWriter.Snapshot(), Commit(20, 4)));

        Assert.Equal("1=one 2=two 3=three", map.Described());
        Assert.Equal(default, map.Position);
    }

    [Fact]
    public void An_empty_snapshot_that_says_so_empties_the_map()
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Committed, map.ApplyAll(Open(), MapFrameWriter.Snapshot(), Commit(20, 0)));

        Assert.Empty(map.Peers);
        Assert.Null(map.Self);
    }

    [Fact]
    public void A_bad_record_is_refused_alone_and_keeps_the_version_before()
    {
        NetworkMap map = FourNodes();

        MapOutcome bad = map.Apply($$$"""{"type":"put","resource":"{{{MapResource.Peer(NodeId(2))}}}","value":{"certificate":"%%%"}}""");
        Assert.Equal(MapOutcome.Refused, bad);
        Assert.Equal(MapOutcome.Committed, map.ApplyAll(Peer(1, "one anew"), Commit(11, 4)));

        Assert.Equal("1=one anew 2=two 3=three", map.Described());
        Assert.Equal(MapResource.Peer(NodeId(2)), Assert.Single(map.Refused).Resource);

        Assert.Equal(MapOutcome.Committed, map.ApplyAll(Peer(2, "two anew"), Commit(12, 4)));
        Assert.Empty(map.Refused);
    }

    [Fact]
    public void A_bad_record_of_a_new_node_counts_as_one_and_goes_with_its_removal()
    {
        NetworkMap map = FourNodes();

        map.Apply($$$"""{"type":"put","resource":"{{{MapResource.Peer(NodeId(9))}}}","value":{}}""");
        Assert.Equal(MapOutcome.Committed, map.ApplyAll(Commit(11, 5)));
        Assert.Equal(MapOutcome.Alive, map.ApplyAll(Bookmark(11, 5)));
        Assert.Equal(MapOutcome.Committed, map.ApplyAll(Remove(9), Commit(12, 4)));
        Assert.Empty(map.Refused);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{}x")]
    [InlineData("""{"type":"put"}""")]
    [InlineData("""{"type":"put","resource":"zone"}""")]
    [InlineData("""{"type":"put","resource":"zone","value":null}""")]
    [InlineData("""{"type":"put","resource":"zone","value":{"id":"5a5a5a5a-0000-0000-0000-000000000001","name":"z","prefixes":["10.0.0.0/33"]}}""")]
    [InlineData("""{"type":"put","resource":"zone","value":{"id":"5a5a5a5a-0000-0000-0000-000000000001","name":"z","prefixes":[null]}}""")]
    [InlineData("""{"type":"put","resource":"trust","value":{"authorities":[""],"revocationLists":[]}}""")]
    [InlineData("""{"type":"put","resource":"settings","value":{"stunServers":[null]}}""")]
    [InlineData("""{"type":"put","resource":"peer/1","value":{"certificate":"AAAA"}}""")]
    [InlineData("""{"type":"put","resource":"peer/5A5A5A5A-0000-0000-0000-000000000001","value":{"certificate":"AAAA"}}""")]
    [InlineData("""{"type":"put","resource":"peer/5a5a5a5a-0000-0000-0000-000000000001","value":{"certificate":""}}""")]
    [InlineData("""{"type":"put","resource":"peer/5a5a5a5a-0000-0000-0000-000000000001","value":{"certificate":"AAAA","endpoint":"here"}}""")]
    [InlineData("""{"type":"put","resource":"endpoints/5a5a5a5a-0000-0000-0000-000000000001","value":{"endpoints":1}}""")]
    [InlineData("""{"type":"commit","revision":0,"count":4}""")]
    [InlineData("""{"type":"commit","revision":99999999999999999999,"count":4}""")]
    [InlineData("""{"type":"open","store":"nothing"}""")]
    [InlineData("""{"type":1}""")]
    [InlineData("""{"type":"introduction","value":{"endpoints":[],"opened":false}}""")]
    [InlineData("""{"type":"introduction","id":"me","value":{"endpoints":[],"opened":false}}""")]
    [InlineData("""{"type":"introduction","id":"5a5a5a5a-0000-0000-0000-000000000001"}""")]
    [InlineData("""{"type":"introduction","id":"5a5a5a5a-0000-0000-0000-000000000001","value":null}""")]
    [InlineData("""{"type":"introduction","id":"5a5a5a5a-0000-0000-0000-000000000001","value":{"opened":false}}""")]
    [InlineData("""{"type":"introduction","id":"5a5a5a5a-0000-0000-0000-000000000001","value":{"endpoints":[]}}""")]
    public void What_is_no_frame_is_refused_and_costs_nothing(string line)
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Refused, map.Apply(line));

        Assert.Equal("1=one 2=two 3=three", map.Described());
        Assert.Equal(10, map.Position.Revision);
    }

    [Theory]
    [InlineData("""{"type":"dance"}""")]
    [InlineData("""{}""")]
    [InlineData("""{"type":"put","resource":"policy/web","value":{"rules":[]}}""")]
    [InlineData("""{"type":"put","resource":"weather","value":"fine"}""")]
    [InlineData("""{"type":"remove","resource":"weather"}""")]
    [InlineData("""{"type":"put","resource":"zone","value":{"id":"5a5a5a5a-0000-0000-0000-000000000001","name":"z","prefixes":[],"mood":{}},"more":[{}]}""")]
    public void What_a_later_version_says_is_ignored(string line)
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Nothing, map.Apply(line));
        Assert.Equal(MapOutcome.Committed, map.ApplyAll(Commit(11, 4)));
        Assert.Empty(map.Refused);
    }

    [Fact]
    public void Endpoints_of_a_later_kind_are_left_out_and_those_of_unknown_nodes_are_not_kept()
    {
        NetworkMap map = FourNodes();

        map.Apply($$$"""
            {"type":"put","resource":"{{{MapResource.Endpoints(NodeId(2))}}}","value":{"endpoints":[
            {"address":"192.0.2.9:1","kind":"telepathic"},{"address":"192.0.2.9:2","kind":"local"},{"address":"there","kind":"local"}]}}
            """);
        map.ApplyAll(Endpoints(77, "192.0.2.77:1"), Commit(10, 4, 6));

        Assert.Equal([new PeerEndpoint(Endpoint.Parse("192.0.2.9:2"), PeerEndpointKind.Local)], map.EndpointsOf(NodeId(2)));
        Assert.Empty(map.EndpointsOf(NodeId(77)));
        Assert.Equal([NodeId(2)], map.Difference.Endpoints);
        Assert.Empty(map.Difference.Peers);
    }

    [Fact]
    public void Endpoints_go_with_their_node()
    {
        NetworkMap map = FourNodes();

        map.ApplyAll(Remove(1), Commit(11, 3));

        Assert.Empty(map.EndpointsOf(NodeId(1)));
    }

    [Fact]
    public void A_delta_of_another_store_is_refused_and_the_map_stays()
    {
        NetworkMap map = FourNodes();

        MapOutcome outcome = map.ApplyAll(MapFrameWriter.Open(Guid.Parse("5a5a5a5a-0000-0000-0000-000000000002"), Epoch, Time), Remove(1), Commit(11, 3));

        Assert.Equal(MapOutcome.Diverged, outcome);
        Assert.Equal("1=one 2=two 3=three", map.Described());
        Assert.Equal(default, map.Position);
    }

    [Fact]
    public void A_delta_that_goes_back_is_refused()
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Diverged, map.ApplyAll(Open(), Remove(1), Commit(9, 3)));

        Assert.Equal("1=one 2=two 3=three", map.Described());
    }

    [Fact]
    public void A_bookmark_moves_the_revision_on_and_finds_out_what_is_missing()
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Alive, map.ApplyAll(Open(), Bookmark(15, 4, 6)));
        Assert.Equal(15, map.Position.Revision);

        Assert.Equal(MapOutcome.Diverged, map.ApplyAll(Bookmark(16, 5)));
        Assert.Equal(default, map.Position);
        Assert.Equal("1=one 2=two 3=three", map.Described());

        Assert.Equal(
            MapOutcome.Committed,
            map.ApplyAll(Open(), MapFrameWriter.Snapshot(), Peer(0, "self"), Peer(1, "one"), Peer(2, "two"), Peer(3, "three"), Peer(4, "four"), Commit(16, 5)));
        Assert.Equal([NodeId(4)], map.Difference.Peers);
        Assert.Equal(16, map.Position.Revision);
    }

    [Fact]
    public void The_end_of_a_stream_says_when_to_come_back()
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Ending, map.ApplyAll(MapFrameWriter.Bye(TimeSpan.Zero, RefusalReason.NodeRemoved)));
        Assert.Equal(RefusalReason.NodeRemoved, map.EndReason);
        Assert.Equal(MapOutcome.Ending, map.ApplyAll([.. """{"type":"bye","spread":1,"reason":"of-a-later-version"}"""u8]));
        Assert.Equal(RefusalReason.None, map.EndReason);
        Assert.Equal(MapOutcome.Ending, map.ApplyAll(MapFrameWriter.Bye(TimeSpan.FromSeconds(12))));
        Assert.Equal(RefusalReason.None, map.EndReason);

        Assert.Equal(TimeSpan.FromSeconds(12), map.ReconnectWithin);
    }

    [Fact]
    public void More_resources_than_a_map_may_have_are_refused()
    {
        NetworkMap map = FourNodes();
        for (int i = 0; i < NetworkMap.MaximumResources; i++)
            map.Apply($$$"""{"type":"remove","resource":"x{{{i}}}"}""");

        Assert.Equal(MapOutcome.Refused, map.ApplyAll(Peer(9, "nine")));
        Assert.Equal(MapOutcome.Diverged, map.ApplyAll(Commit(11, 4)));
        Assert.Equal("1=one 2=two 3=three", map.Described());
    }

    [Fact]
    public void More_bytes_than_a_map_may_have_are_refused_and_given_up()
    {
        NetworkMap map = FourNodes();
        string longest = new('c', MapPeer.MaximumCertificate);
        map.ApplyAll(Open(), MapFrameWriter.Snapshot());
        int taken = 0;
        while (map.Apply(Peer(taken, longest)) == MapOutcome.Nothing)
            Assert.InRange(++taken, 0, NetworkMap.MaximumBytes / MapPeer.MaximumCertificate);

        Assert.Equal(MapOutcome.Diverged, map.ApplyAll(Commit(11, taken + 1)));
        Assert.Contains(map.Refused, refused => refused.Reason.Contains("64 MiB", StringComparison.Ordinal));
        Assert.Equal("1=one 2=two 3=three", map.Described());
        Assert.Equal(MapOutcome.Committed, map.ApplyAll(Open(), MapFrameWriter.Snapshot(), Peer(0, "self"), Peer(1, "one"), Commit(12, 2)));
        Assert.Empty(map.Refused);
    }

    [Fact]
    public void A_map_does_not_grow_beyond_its_bytes_commit_by_commit()
    {
        NetworkMap map = FourNodes();
        string longest = new('c', MapPeer.MaximumCertificate);
        const int EachTime = 500;
        int commits = 0;
        map.ApplyAll(Open());
        while (map.ApplyAll([.. Enumerable.Range(4 + commits * EachTime, EachTime).Select(i => Peer(i, longest)), Commit(11 + commits, 4 + (commits + 1) * EachTime)])
            == MapOutcome.Committed)
        {
            Assert.InRange(++commits * EachTime, 0, NetworkMap.MaximumBytes / MapPeer.MaximumCertificate);
        }

        Assert.InRange(commits, 1, int.MaxValue);
        Assert.Equal(3 + commits * EachTime, map.Peers.Count);
    }

    [Fact]
    public void A_record_that_replaces_another_takes_no_more_room()
    {
        NetworkMap map = FourNodes();
        string longest = new('c', MapPeer.MaximumCertificate - 10);
        map.ApplyAll(Open());

        for (int i = 0; i < 2 * NetworkMap.MaximumBytes / MapPeer.MaximumCertificate; i++)
            Assert.Equal(MapOutcome.Committed, map.ApplyAll(Peer(1, $"{longest}{i}"), Commit(11 + i, 4)));
    }

    [Fact]
    public void A_name_longer_than_any_resource_has_is_refused_and_not_kept()
    {
        NetworkMap map = FourNodes();
        map.ApplyAll(Open(), MapFrameWriter.Snapshot(), Peer(0, "self"));
        for (int i = 0; i < 50; i++)
            Assert.Equal(MapOutcome.Refused, map.Apply($$$"""{"type":"put","resource":"peer/{{{i}}}{{{new string('x', 100_000)}}}","value":{}}"""));

        Assert.All(map.Refused, refused => Assert.InRange(refused.Resource.Length + refused.Reason.Length, 0, 200));
    }

    [Fact]
    public void Settings_and_zones_of_unreasonable_size_are_refused()
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Refused, map.ApplyAll(MapFrameWriter.Put(new SettingsResource([.. Enumerable.Repeat("stun.example:3478", 17)]))));
        Assert.Equal(MapOutcome.Refused, map.ApplyAll(MapFrameWriter.Put(new SettingsResource([new string('s', 256)]))));
        Assert.Equal(MapOutcome.Refused, map.ApplyAll(MapFrameWriter.Put(new ZoneResource(NodeId(100), "z", [.. Enumerable.Repeat("10.0.0.0/8", 17)]))));
    }

    [Fact]
    public void Zone_trust_and_settings_arrive_as_they_were_sent()
    {
        NetworkMap map = FourNodes();
        var zone = new ZoneResource(NodeId(100), "default", ["10.200.0.0/20", "fd00::/64"]);
        var trust = new TrustResource([[1, 2]], [[3]]);

        map.ApplyAll(MapFrameWriter.Put(zone), MapFrameWriter.Put(trust), MapFrameWriter.Put(new SettingsResource(["stun.example:3478"])), Commit(11, 4));

        Assert.Equal((zone.Id, zone.Name), (map.Zone!.Id, map.Zone.Name));
        Assert.Equal(zone.Prefixes, map.Zone.Prefixes);
        Assert.Equal(trust.Authorities, map.Trust!.Authorities);
        Assert.Equal(trust.RevocationLists, map.Trust.RevocationLists);
        Assert.Equal(["stun.example:3478"], map.Settings!.StunServers);
        Assert.True(map.Difference.Network);
    }

    [Fact]
    public void Records_are_shared_between_maps_where_the_program_wants_it()
    {
        var shared = new MapPeer(NodeId(1), Encoding.UTF8.GetBytes("one"), default);
        var map = new NetworkMap(Self, peer => peer.Id == shared.Id ? shared : peer);

        map.ApplyAll(Open(), MapFrameWriter.Snapshot(), Peer(1, "one"), Commit(1, 1));

        Assert.Same(shared, map.Peers[NodeId(1)]);
    }
}
