using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// In which order packets arrive when the path changes under them: only those may be overtaken that are in flight at that moment, and where
/// both paths work, none is lost or comes twice.
/// </summary>
public sealed class PathOrderTests(NatMesh mesh) : IClassFixture<NatMesh>
{
    private static readonly TimeSpan SlowRoundTrip = TimeSpan.FromMilliseconds(200);

    // Where a sender is moved to another processor, the kernel itself may have what was sent right before be overtaken.
    private static readonly TimeSpan Neighbours = TimeSpan.FromMilliseconds(20);

    [Fact]
    public void A_faster_path_overtakes_only_what_is_in_flight_and_nothing_is_lost_or_comes_twice()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.Public, NodePlace.Public);
        ConnectSlowly(pair);
        pair.AssertConnects();
        Assert.StartsWith("5.200.1.", NodePath.Of(pair.B, pair.A).Endpoint, StringComparison.Ordinal);
        Assert.StartsWith("5.200.2.", NodePath.Of(pair.A, pair.B).Endpoint, StringComparison.Ordinal);
        using var there = NumberedStream.Start(pair.A.Host, pair.B.Host, pair.B.Address);
        using var back = NumberedStream.Start(pair.B.Host, pair.A.Host, pair.A.Address);
        there.AwaitMore(200);
        back.AwaitMore(200);

        mesh.Network.Net.Connect(pair.A.Host, pair.B.Host, ["5.201.0.1/24"], ["5.201.0.2/24"]);
        Wait.Until(
            () => IsAt(pair.A, pair.B, "5.201.0.2:") && IsAt(pair.B, pair.A, "5.201.0.1:"), MeshNetwork.Patience, "the faster path");
        there.AwaitMore(200);
        back.AwaitMore(200);

        AssertOrder(there, pair);
        AssertOrder(back, pair);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void When_one_of_two_paths_dies_what_the_other_carries_is_in_order_and_comes_once()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.Public, NodePlace.Public);
        pair.AssertConnects();
        pair.AwaitChoice();
        using var stream = NumberedStream.Start(pair.B.Host, pair.A.Host, pair.A.Address);
        stream.AwaitMore(200);

        bool wasIpv4 = pair.DropUdpInUse();
        Wait.Until(() => pair.IsByIpv4() != wasIpv4, MeshNetwork.Patience, "the other path");
        stream.AwaitMore(200);
        stream.End();

        // Each number is above the one before.
        int[] arrived = stream.Arrived;
        int[] wrong = [.. arrived.Zip(arrived.Skip(1)).Where(two => two.Second <= two.First).Select(two => two.Second)];
        Assert.Empty(wrong);
        // What is lost was sent to the dead path, in one piece.
        int[] lost = [.. Enumerable.Range(0, stream.Sent.Count).Except(arrived)];
        Assert.NotEmpty(lost);
        Assert.Equal(lost.Length, lost[^1] - lost[0] + 1);
        Assert.InRange(stream.Sent[lost[^1]] - stream.Sent[lost[0]], TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }

    private static void AssertOrder(NumberedStream stream, NatPair pair)
    {
        stream.End();
        int[] arrived = stream.Arrived;
        int[] lost = [.. Enumerable.Range(0, stream.Sent.Count).Except(arrived)];
        Assert.True(lost.Length == 0, $"Lost of {stream.Sent.Count}: {string.Join(' ', lost)}{pair.Logs()}");
        Assert.Equal(stream.Sent.Count, arrived.Length);

        List<int> late = [];
        int newest = -1;
        int firstOvertaking = int.MaxValue;
        foreach (int number in arrived)
        {
            if (number > newest)
            {
                newest = number;
                continue;
            }
            if (stream.Sent[newest] - stream.Sent[number] < Neighbours)
                continue;
            late.Add(number);
            firstOvertaking = Math.Min(firstOvertaking, arrived.TakeWhile(one => one != number).Where(one => one > number).Min());
        }
        Assert.NotEmpty(late); // else the paths were equally fast, and this says nothing
        TimeSpan span = stream.Sent[late.Max()] - stream.Sent[late.Min()];
        TestContext.Current.TestOutputHelper?.WriteLine(
            FormattableString.Invariant($"{late.Count} of {arrived.Length} overtaken, sent in {span.TotalMilliseconds:0} ms"));
        // One switch: what was sent after it stays in order, and what was sent long enough before it has arrived before.
        string seen = $"{string.Join(' ', late)}, by {firstOvertaking}";
        Assert.True(late.Max() < firstOvertaking, $"Still late after the switch: {seen}");
        TimeSpan inFlight = stream.Sent[firstOvertaking] - stream.Sent[late.Min()];
        Assert.True(inFlight <= SlowRoundTrip, $"Late, and not in flight at the switch: {seen}");
    }

    /// <summary>Leaves two machines on the internet but one path between them, which is slow.</summary>
    private void ConnectSlowly(NatPair pair)
    {
        Topology net = mesh.Network.Net;
        Host nearA = net.AddHost($"{pair.A.Label}-slow"), nearB = net.AddHost($"{pair.B.Label}-slow");
        net.Connect(pair.A.Host, nearA, ["5.200.1.2/24"], ["5.200.1.1/24"]);
        net.Connect(pair.B.Host, nearB, ["5.200.2.2/24"], ["5.200.2.1/24"]);
        // Not between the machines themselves: it would be a tunnel to them, and no peer is reached through one.
        net.ConnectByWire(nearA, nearB, ["5.200.3.1/24"], ["5.200.3.2/24"], new WireQuality { Delay = SlowRoundTrip / 2 });
        nearA.EnableForwarding();
        nearB.EnableForwarding();
        pair.A.Host.AddRoute("5.200.2.0/24", "5.200.1.1");
        nearA.AddRoute("5.200.2.0/24", "5.200.3.2");
        nearB.AddRoute("5.200.1.0/24", "5.200.3.1");
        pair.B.Host.AddRoute("5.200.1.0/24", "5.200.2.1");
        foreach (MeshNode node in (MeshNode[])[pair.A, pair.B])
        {
            node.Host.Run(new Command("nft", "-f", "-")
            {
                Input = $$"""
                    table inet cut {
                        chain input {
                            type filter hook input priority -300; policy accept;
                            ip saddr 192.0.2.0/24 ip saddr != {{MeshNetwork.ControllerAddress}} meta l4proto udp drop
                            ip6 saddr 2001:db8::/64 ip6 saddr != {{MeshNetwork.ControllerIpv6}} meta l4proto udp drop
                        }
                    }

                    """,
            });
        }
    }

    private static bool IsAt(MeshNode node, MeshNode peer, string endpoint) =>
        NodePath.Of(node, peer).Endpoint?.StartsWith(endpoint, StringComparison.Ordinal) == true;
}
