using System.Text;
using Kedge.Protocol.Mesh;

namespace Kedge.Fuzz.Mesh;

/// <summary>
/// A stream of frames, one a line, from a controller that may be anything: nothing is thrown, only a commit changes the map, what it
/// reports as changed is what changed, a map that was kept is read as itself, and introductions leave no trace in it.
/// </summary>
public sealed class NetworkMapTarget : Target
{
    private static readonly Guid Self = Guid.Parse("00000000-0000-0000-0000-000000000000");
    private static readonly byte[] Network = new byte[32];

    public override string Name => "network-map";

    public override int MaximumLength => 1500;

    public override int ShortRun => 4_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        .. new[]
        {
            """{"type":"open","store":"00000000-0000-0000-0000-000000000001","epoch":"00000000-0000-0000-0000-000000000002","time":"2026-01-02T03:04:05+00:00"}""" + "\n",
            """{"type":"snapshot"}""" + "\n",
            """{"type":"put","resource":"peer/00000000-0000-0000-0000-000000000000","value":{"certificate":"AAAA"}}""" + "\n",
            """{"type":"put","resource":"peer/00000000-0000-0000-0000-000000000003","value":{"certificate":"AAAA"}}""" + "\n",
            """{"type":"put","resource":"peer/00000000-0000-0000-0000-000000000003","value":{"certificate":""}}""" + "\n",
            """{"type":"put","resource":"peer/x","value":{"certificate":"BBBB","endpoint":"192.0.2.1:5"}}""" + "\n",
            """{"type":"put","resource":"endpoints/00000000-0000-0000-0000-000000000003","value":{"endpoints":[{"address":"192.0.2.1:1","kind":"local"}]}}""" + "\n",
            """{"type":"put","resource":"zone","value":{"id":"00000000-0000-0000-0000-000000000004","name":"z","prefixes":["10.0.0.0/8"]}}""" + "\n",
            """{"type":"put","resource":"trust","value":{"authorities":["AAAA"],"revocationLists":[]}}""" + "\n",
            """{"type":"put","resource":"settings","value":{"stunServers":["a:1"]}}""" + "\n",
            """{"type":"remove","resource":"peer/00000000-0000-0000-0000-000000000003"}""" + "\n",
            """{"type":"commit","revision":1,"sequence":1,"count":0}""" + "\n",
            """{"type":"commit","revision":2,"sequence":1,"count":1}""" + "\n",
            """{"type":"commit","revision":3,"sequence":2,"count":2}""" + "\n",
            """{"type":"bookmark","revision":3,"sequence":2,"count":2,"time":"2026-01-02T03:04:05Z"}""" + "\n",
            """{"type":"bye","spread":1e300}""" + "\n",
            """{"type":"introduction","id":"00000000-0000-0000-0000-000000000003","value":{"endpoints":[],"opened":true}}""" + "\n",
            """{"type":"introduction","id":"00000000-0000-0000-0000-000000000005","value":""",
            """{"endpoints":[{"address":"192.0.2.1:1","kind":"mapped"}],"opened":false}}""" + "\n",
            """{"address":"[2001:db8::1]:65535","kind":"reflexive"},""",
            "\"", "{", "}", "null", "\\u0000", "9223372036854775807", "-1",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var map = new NetworkMap(Self);
        var quiet = new NetworkMap(Self); // which hears of no introductions
        foreach (Range range in input.Split((byte)'\n'))
        {
            var before = new Dictionary<Guid, MapPeer>(map.Peers);
            MapPeer? self = map.Self;
            MapPosition position = map.Position;
            MapOutcome outcome = map.Apply(input[range]);
            trace.Note((int)outcome, Math.Min(map.Peers.Count, 3));
            Check(map, outcome, before, self, position);
            if (outcome == MapOutcome.Introduced)
                Check(map.Introduction);
            else
                Invariant.Equal(outcome, quiet.Apply(input[range]), "an introduction changes nothing that other frames do");
            Invariant.Equal(quiet.Position, map.Position, "an introduction does not move the position");
        }
        if (!map.IsEmpty)
            CheckCache(map);
    }

    private static void Check(NetworkMap map, MapOutcome outcome, Dictionary<Guid, MapPeer> before, MapPeer? self, MapPosition position)
    {
        bool same = before.Count == map.Peers.Count
            && before.All(entry => map.Peers.GetValueOrDefault(entry.Key) == entry.Value)
            && ReferenceEquals(self, map.Self);
        if (outcome is not (MapOutcome.Committed or MapOutcome.Diverged))
            Invariant.Holds(same, "only a commit changes the map");
        if (outcome is MapOutcome.Diverged)
            Invariant.Equal(default, map.Position, "a map that is wrong begins anew");
        if (outcome is MapOutcome.Nothing or MapOutcome.Refused or MapOutcome.Ending or MapOutcome.Introduced)
            Invariant.Equal(position, map.Position, "only a commit or a bookmark moves the position");
        if (outcome is MapOutcome.Committed)
        {
            foreach (Guid id in before.Keys.Concat(map.Peers.Keys))
            {
                bool changed = before.GetValueOrDefault(id) != map.Peers.GetValueOrDefault(id);
                Invariant.Equal(changed, map.Difference.Peers.Contains(id), "the difference names what changed");
            }
        }
        Invariant.Holds(!map.Peers.ContainsKey(Self), "the node is not its own peer");
    }

    private static void Check(PeerIntroduction? introduction)
    {
        Invariant.Holds(introduction is not null && introduction.From != Guid.Empty, "an introduction says which node asks");
        Invariant.Holds(introduction!.Endpoints.Count <= PeerIntroduction.MaximumEndpoints, "the endpoints of an introduction are few");
        Invariant.Holds(introduction.Endpoints.All(endpoint => endpoint.Address.Port != 0), "each can be sent to");
    }

    private static void CheckCache(NetworkMap map)
    {
        byte[] file = MapCache.Write(map, Network, default);
        NetworkMap? read = MapCache.Read(file, Network, Self, out string reason);
        Invariant.Holds(read is not null, $"what was written is read: {reason}");
        byte[] again = MapCache.Write(read!, Network, default);
        Invariant.Holds(Lines(file).SequenceEqual(Lines(again)), "a map is read as it was written");
    }

    // The order of records is not part of a map.
    private static IEnumerable<string> Lines(byte[] file) =>
        Encoding.UTF8.GetString(file).Split('\n').Skip(1).Order(StringComparer.Ordinal);
}
