using Kedge.Protocol.Ip;
using System.Net;
using Kedge.Control;
using Kedge.Node.ControlLink;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Mesh;

namespace Kedge.Tests.ControlLink;

public class ControllerClientTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nodes_join_and_learn_of_each_other_until_they_leave()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using Machine a = new(), b = new();
        EnrolmentResult joinedA = await a.JoinAsync(controller, "a");
        using ControllerClient client = a.Client(controller, joinedA);
        var map = new NetworkMap(joinedA.NodeId);
        await using IAsyncEnumerator<ReadOnlyMemory<byte>> stream = client.WatchAsync(map.Position, Cancellation).GetAsyncEnumerator(Cancellation);
        await Follow(stream, map, () => map.Self is not null);

        EnrolmentResult joinedB = await b.JoinAsync(controller, "b", new NodeEndpoint("192.0.2.2:51820", "local"));
        await Follow(stream, map, () => map.Peers.ContainsKey(joinedB.NodeId) && map.EndpointsOf(joinedB.NodeId).Count == 1);
        Assert.Equal(joinedB.Certificate, Convert.ToBase64String(map.Peers[joinedB.NodeId].Certificate.Span));
        var trust = NetworkTrust.Create(controller.Address.Network, map.Trust!.Authorities, map.Trust.RevocationLists);
        Assert.True(NodeCertificate.TryParse(map.Peers[joinedB.NodeId].Certificate.Span, out NodeCertificate? certificate, out _));
        Assert.Null(trust.Verify(certificate, joinedA.ZoneId, DateTimeOffset.UtcNow));

        using ControllerClient clientB = b.Client(controller, joinedB);
        await clientB.ReportEndpointsAsync(new EndpointReport([new NodeEndpoint("198.51.100.2:2", "reflexive")]), Cancellation);
        await Follow(stream, map, () => map.EndpointsOf(joinedB.NodeId) is [{ Address.Port: 2 }]);
        await client.AcknowledgeAsync(new MapAcknowledgement(map.Position.Store, map.Position.Revision, [new("peer/x", "A test says so.")]), Cancellation);

        await clientB.LeaveAsync(Cancellation);
        await Follow(stream, map, () => map.Peers.Count == 0);
    }

    [Fact]
    public async Task A_node_that_reports_all_the_time_is_asked_to_come_back_later_and_others_are_not()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using Machine a = new(), b = new();
        using ControllerClient eager = a.Client(controller, await a.JoinAsync(controller, "a"));
        using ControllerClient other = b.Client(controller, await b.JoinAsync(controller, "b"));
        ControllerException? refusal = null;
        for (int i = 0; i < 2000 && refusal is null; i++)
            refusal = await Record.ExceptionAsync(() => eager.ReportEndpointsAsync(new EndpointReport([]), Cancellation)) as ControllerException;

        Assert.Equal(HttpStatusCode.TooManyRequests, refusal?.Status);
        Assert.False(refusal!.IsRefusal);
        Assert.InRange(refusal.RetryAfter!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10));
        await other.ReportEndpointsAsync(new EndpointReport([]), Cancellation);
    }

    [Fact]
    public async Task An_introduction_reaches_the_peer_and_leaves_nothing_behind()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using Machine a = new(), b = new();
        EnrolmentResult joinedA = await a.JoinAsync(controller, "a"), joinedB = await b.JoinAsync(controller, "b");
        using ControllerClient clientA = a.Client(controller, joinedA), clientB = b.Client(controller, joinedB);
        var introduction = new Introduction(joinedB.NodeId, [new NodeEndpoint("198.51.100.2:2", "reflexive")], Opened: false);
        var notYet = await Assert.ThrowsAsync<ControllerException>(() => clientA.IntroduceAsync(introduction, Cancellation));
        Assert.Equal((HttpStatusCode.Conflict, RefusalReason.PeerNotConnected), (notYet.Status, notYet.Reason));

        var map = new NetworkMap(joinedB.NodeId);
        await using var stream = clientB.WatchAsync(default, Cancellation).GetAsyncEnumerator(Cancellation);
        await Follow(stream, map, () => map.Peers.ContainsKey(joinedA.NodeId));
        int audited = (await controller.ListAuditAsync()).Count;
        MapPosition position = map.Position;
        await clientA.IntroduceAsync(introduction, Cancellation);
        await Follow(stream, map, () => map.Introduction is not null);

        Assert.Equal((joinedA.NodeId, false), (map.Introduction!.From, map.Introduction.Opened));
        Assert.Equal("198.51.100.2:2", Assert.Single(map.Introduction.Endpoints).Address.ToString());
        Assert.Equal(position, map.Position);
        Assert.Equal(audited, (await controller.ListAuditAsync()).Count);
        string metrics = await controller.ReadMetricsAsync();
        Assert.Contains("kedge_introductions_total{outcome=\"passed-on\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("kedge_introductions_total{outcome=\"not-connected\"} 1\n", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_introduction_that_makes_no_sense_is_refused_with_a_reason()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using Machine a = new(), b = new();
        EnrolmentResult joined = await a.JoinAsync(controller, "a");
        using ControllerClient client = a.Client(controller, joined);
        Guid peer = (await b.JoinAsync(controller, "b")).NodeId;
        NodeEndpoint[] tooMany = [.. Enumerable.Repeat(new NodeEndpoint("192.0.2.1:7", "local"), EndpointReport.MaximumEndpoints + 1)];

        await AssertRefusedAsync(joined.NodeId, "is the node that asks");
        await AssertRefusedAsync(peer, "16 is the most", tooMany);
        await AssertRefusedAsync(peer, "127.0.0.1:7", new NodeEndpoint("127.0.0.1:7", "local"));
        await AssertRefusedAsync(peer, "guessed", new NodeEndpoint("192.0.2.1:7", "guessed"));
        ControllerException unknown = await Assert.ThrowsAsync<ControllerException>(
            () => client.IntroduceAsync(new Introduction(Guid.NewGuid(), [], Opened: true), Cancellation));
        Assert.Equal((HttpStatusCode.NotFound, RefusalReason.PeerUnknown), (unknown.Status, unknown.Reason));
        Assert.False(unknown.Reason.EndsMembership());

        async Task AssertRefusedAsync(Guid to, string words, params NodeEndpoint[] endpoints)
        {
            ControllerException wrong = await Assert.ThrowsAsync<ControllerException>(
                () => client.IntroduceAsync(new Introduction(to, endpoints, Opened: true), Cancellation));
            Assert.Equal(HttpStatusCode.BadRequest, wrong.Status);
            Assert.Contains(words, wrong.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_node_that_floods_introductions_is_put_off_and_those_of_others_arrive()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using Machine a = new(), b = new(), c = new();
        EnrolmentResult joinedA = await a.JoinAsync(controller, "a"), joinedB = await b.JoinAsync(controller, "b");
        EnrolmentResult joinedC = await c.JoinAsync(controller, "c");
        using ControllerClient flooder = a.Client(controller, joinedA), other = b.Client(controller, joinedB);
        using ControllerClient target = c.Client(controller, joinedC);
        var map = new NetworkMap(joinedC.NodeId);
        await using var stream = target.WatchAsync(default, Cancellation).GetAsyncEnumerator(Cancellation);
        await Follow(stream, map, () => map.Peers.Count == 2);
        using var ending = new CancellationTokenSource();
        Task<int>[] flood = [.. Enumerable.Range(0, 8).Select(_ => FloodAsync())];

        for (int i = 0; i < 5; i++)
        {
            var endpoint = new NodeEndpoint($"192.0.2.1:{1 + i}", "local");
            await other.IntroduceAsync(new Introduction(joinedC.NodeId, [endpoint], Opened: false), Cancellation);
            await Follow(stream, map, () => map.Introduction?.Endpoints.SingleOrDefault().Address.ToString() == endpoint.Address);
            Assert.Equal(joinedB.NodeId, map.Introduction!.From);
        }
        await flooder.ReportEndpointsAsync(new EndpointReport([]), Cancellation); // what else it does has a budget of its own
        await ending.CancelAsync();

        Assert.InRange((await Task.WhenAll(flood)).Sum(), 1, int.MaxValue);
        Assert.Contains("kedge_introductions_total{outcome=\"limited\"}", await controller.ReadMetricsAsync(), StringComparison.Ordinal);

        async Task<int> FloodAsync()
        {
            int putOff = 0;
            while (!ending.IsCancellationRequested)
            {
                var introduction = new Introduction(joinedC.NodeId, [], Opened: false);
                Exception? e = await Record.ExceptionAsync(() => flooder.IntroduceAsync(introduction, Cancellation));
                if (e is not null)
                {
                    var refusal = Assert.IsType<ControllerException>(e);
                    Assert.Equal((HttpStatusCode.TooManyRequests, RefusalReason.TooManyRequests), (refusal.Status, refusal.Reason));
                    Assert.Equal(TimeSpan.FromSeconds(1), refusal.RetryAfter);
                    putOff++;
                }
            }
            return putOff;
        }
    }

    [Fact]
    public async Task Two_machines_with_one_identity_are_told_and_so_are_administrators()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using var machine = new Machine();
        EnrolmentResult joined = await machine.JoinAsync(controller, "a");
        using ControllerClient original = machine.Client(controller, joined), copy = machine.Client(controller, joined);
        var (map, mapOfCopy) = (new NetworkMap(joined.NodeId), new NetworkMap(joined.NodeId));
        await using IAsyncEnumerator<ReadOnlyMemory<byte>> stream = original.WatchAsync(default, Cancellation).GetAsyncEnumerator(Cancellation);
        await Follow(stream, map, () => map.Self is not null);
        Assert.Empty(Assert.Single(await controller.ListNodesAsync()).DuplicatesFrom);
        await using IAsyncEnumerator<ReadOnlyMemory<byte>> streamOfCopy = copy.WatchAsync(default, Cancellation).GetAsyncEnumerator(Cancellation);
        await Follow(streamOfCopy, mapOfCopy, () => mapOfCopy.Question != Guid.Empty);
        await Follow(stream, map, () => map.Question != Guid.Empty);

        await original.AnswerAsync(new StreamAnswer(map.Question), Cancellation);
        await copy.AnswerAsync(new StreamAnswer(mapOfCopy.Question), Cancellation);

        await Follow(stream, map, () => map.DuplicatesFrom == "127.0.0.1");
        await Follow(streamOfCopy, mapOfCopy, () => mapOfCopy.DuplicatesFrom == "127.0.0.1");
        Assert.Equal(["127.0.0.1"], Assert.Single(await controller.ListNodesAsync()).DuplicatesFrom);
        // It is put down beside what the nodes are told.
        IReadOnlyList<AuditEntry> audit;
        do
            audit = await controller.ListAuditAsync();
        while (!audit.Any(entry => entry.Action == "node.duplicate" && entry.Subject == joined.NodeId.ToString()));
    }

    [Fact]
    public async Task A_body_longer_than_a_node_ever_needs_is_refused()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using var machine = new Machine();
        using ControllerClient client = machine.Client(controller, await machine.JoinAsync(controller, "a"));
        RefusedResource[] refused = [.. Enumerable.Range(0, 150).Select(i => new RefusedResource($"peer/{i}", new string('x', 490)))];

        ControllerException refusal = await Assert.ThrowsAsync<ControllerException>(
            () => client.AcknowledgeAsync(new MapAcknowledgement(Guid.NewGuid(), 1, refused), Cancellation));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refusal.Status);
    }

    [Fact]
    public async Task A_known_node_asks_for_something_else_without_a_token()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using var machine = new Machine();
        EnrolmentResult joined = await machine.JoinAsync(controller, "a");
        using ControllerClient client = machine.Client(controller, joined);

        EnrolmentRequest wanted = machine.Request("a") with { RequestedAddresses = ["10.200.7.7"] };
        EnrolmentResult after = await client.EnrolAsync(wanted, null, machine.Identity, machine.WireGuardKey, Cancellation);

        Assert.Equal((joined.NodeId, "a", "10.200.7.7"), (after.NodeId, after.Name, after.Addresses[0]));
    }

    /// <summary>The node knows the controller by the key of before, and its certificate is of the issuer of before.</summary>
    [Fact]
    public async Task A_node_that_was_away_while_issuer_and_server_authority_were_rotated_comes_back_and_learns_the_new_pin()
    {
        RunningController before = await RunningController.StartAsync();
        ControllerAddress known = before.Address;
        using Machine machine = new(), other = new();
        EnrolmentResult joined = await machine.JoinAsync(before, "a");
        await using RunningController controller = await before.RestartAsync(data =>
        {
            KeyRotation.RotateIssuer(data, null, DateTimeOffset.UtcNow);
            KeyRotation.RotateServerAuthority(data, DateTimeOffset.UtcNow);
            KeyRotation.RotateServerAuthority(data, DateTimeOffset.UtcNow.AddSeconds(1));
        });
        EnrolmentResult joinedLater = await other.JoinAsync(controller, "b");

        using var client = new ControllerClient(known, Convert.FromBase64String(joined.Certificate!), machine.Identity, TimeProvider.System);
        var map = new NetworkMap(joined.NodeId);
        await using IAsyncEnumerator<ReadOnlyMemory<byte>> stream = client.WatchAsync(map.Position, Cancellation).GetAsyncEnumerator(Cancellation);
        await Follow(stream, map, () => map.Peers.Count == 1);
        EnrolmentResult again = await client.EnrolAsync(machine.Request("a"), null, machine.Identity, machine.WireGuardKey, Cancellation);

        Assert.Equal(joined.NodeId, again.NodeId);
        Assert.NotEqual(known.Pin, controller.Address.Pin);
        Assert.Equal(controller.Address.Pin.ToString(), map.Settings!.ServerPins![0]);
        Assert.Contains(known.Pin.ToString(), map.Settings.ServerPins);
        Assert.Contains(known.Pin, (await controller.CreateJoinLineAsync()).OtherPins);
        var trust = NetworkTrust.Create(known.Network, map.Trust!.Authorities, map.Trust.RevocationLists);
        foreach (string text in new[] { joined.Certificate!, joinedLater.Certificate! })
        {
            Assert.True(NodeCertificate.TryParse(Convert.FromBase64String(text), out NodeCertificate? certificate, out _));
            Assert.Null(trust.Verify(certificate, joined.ZoneId, DateTimeOffset.UtcNow));
        }
    }

    [Fact]
    public async Task The_stream_of_a_removed_node_ends_and_it_is_refused_from_then_on()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using var machine = new Machine();
        EnrolmentResult joined = await machine.JoinAsync(controller, "a");
        using ControllerClient client = machine.Client(controller, joined);
        var map = new NetworkMap(joined.NodeId);
        await using IAsyncEnumerator<ReadOnlyMemory<byte>> stream = client.WatchAsync(map.Position, Cancellation).GetAsyncEnumerator(Cancellation);
        await Follow(stream, map, () => map.Self is not null);

        await controller.RemoveNodeAsync(joined.NodeId);
        await Follow(stream, map, () => map.EndReason == RefusalReason.NodeRemoved);
        Assert.False(await stream.MoveNextAsync());
        Assert.NotNull(map.Self); // nothing that came with the removal was told to it

        ControllerException refused = await Assert.ThrowsAsync<ControllerException>(() => client.RenewAsync(new CertificateRenewal(), Cancellation));
        Assert.Equal(HttpStatusCode.Forbidden, refused.Status);
        Assert.True(refused.IsRefusal);
        Assert.Equal(RefusalReason.NodeRemoved, refused.Reason);
        Assert.Contains("was removed", refused.ToUserError().Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_controller_that_restarts_says_bye_and_its_nodes_go_on_where_they_were()
    {
        RunningController controller = await RunningController.StartAsync();
        using Machine a = new(), b = new();
        EnrolmentResult joined = await a.JoinAsync(controller, "a", new NodeEndpoint("192.0.2.1:1", "local"));
        EnrolmentResult joinedB = await b.JoinAsync(controller, "b", new NodeEndpoint("192.0.2.2:2", "local"));
        var map = new NetworkMap(joined.NodeId);
        using (ControllerClient client = a.Client(controller, joined))
        {
            await using IAsyncEnumerator<ReadOnlyMemory<byte>> stream = client.WatchAsync(map.Position, Cancellation).GetAsyncEnumerator(Cancellation);
            await Follow(stream, map, () => map.Peers.Count == 1);
            Task<RunningController> restarting = controller.RestartAsync();
            await Follow(stream, map, () => map.ReconnectWithin > TimeSpan.Zero);
            Assert.False(await stream.MoveNextAsync());
            controller = await restarting;
        }
        await using RunningController restarted = controller;
        using ControllerClient again = a.Client(restarted, joined);
        int snapshots = 0;
        MapOutcome outcome = MapOutcome.Nothing;
        await foreach (ReadOnlyMemory<byte> line in again.WatchAsync(map.Position, Cancellation))
        {
            snapshots += line.Span.IndexOf("\"snapshot\""u8) >= 0 ? 1 : 0;
            outcome = map.Apply(line.Span);
            if (outcome == MapOutcome.Committed)
                break;
        }
        Assert.Equal(0, snapshots);
        Assert.Equal([new PeerEndpoint(Protocol.Ip.Endpoint.Parse("192.0.2.2:2"), PeerEndpointKind.Local)], map.EndpointsOf(joinedB.NodeId));
    }

    [Fact]
    public async Task What_the_controller_refuses_is_told_in_its_words()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using var machine = new Machine();
        using var client = new ControllerClient(controller.Address, null, null, TimeProvider.System);

        ControllerException wrongName = await Assert.ThrowsAsync<ControllerException>(
            () => client.EnrolAsync(machine.Request("not a name"), "token.secret", machine.Identity, machine.WireGuardKey, Cancellation));
        Assert.Contains("not a name", wrongName.Message, StringComparison.Ordinal);
        ControllerException unknown = await Assert.ThrowsAsync<ControllerException>(() => client.InquireAsync(machine.Identity, Cancellation));
        Assert.Equal((HttpStatusCode.NotFound, RefusalReason.NodeUnknown), (unknown.Status, unknown.Reason));
        ControllerException stranger = await Assert.ThrowsAsync<ControllerException>(() => client.RenewAsync(new CertificateRenewal(), Cancellation));
        Assert.Equal(HttpStatusCode.Unauthorized, stranger.Status);
    }

    [Fact]
    public async Task A_server_with_another_authority_is_not_talked_to()
    {
        await using RunningController controller = await RunningController.StartAsync();
        using var machine = new Machine();
        using var client = new ControllerClient(controller.Address with { Pin = Sha256Digest.Of([1]) }, null, null, TimeProvider.System);

        ControllerException e = await Assert.ThrowsAsync<ControllerException>(() => client.InquireAsync(machine.Identity, Cancellation));

        Assert.Null(e.Status);
        Assert.False(e.IsRefusal);
        Assert.Contains("pinned", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_controller_that_is_not_there_is_no_refusal()
    {
        var nowhere = new ControllerAddress(new Uri("https://127.0.0.1:1"), Sha256Digest.Of([1]), Sha256Digest.Of([1]));
        using var machine = new Machine();
        using var client = new ControllerClient(nowhere, null, null, TimeProvider.System);

        ControllerException e = await Assert.ThrowsAsync<ControllerException>(() => client.InquireAsync(machine.Identity, Cancellation));

        Assert.False(e.IsRefusal);
        Assert.Contains("127.0.0.1:1", e.Message, StringComparison.Ordinal);
    }

    private static async Task Follow(IAsyncEnumerator<ReadOnlyMemory<byte>> stream, NetworkMap map, Func<bool> until)
    {
        while (!until())
        {
            Assert.True(await stream.MoveNextAsync().AsTask().WaitAsync(Patience, Cancellation), "The stream has ended.");
            map.Apply(stream.Current.Span);
        }
    }
}
