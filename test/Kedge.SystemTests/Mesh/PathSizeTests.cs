using System.Globalization;
using System.Text.Json;
using Kedge.Demo;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Linux;

namespace Kedge.SystemTests.Mesh;

/// <summary>What gets through where the network below carries less than 1,500 bytes, whether or not it says so, and lets fragments
/// pass.</summary>
public sealed class PathSizeTests(NatMesh mesh) : IClassFixture<NatMesh>
{
    private const int LongestPayload = 1400;
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Over_1280_bytes_everything_gets_through_though_fragments_and_errors_are_dropped(bool overIPv6)
    {
        using var path = new SmallPath(mesh.Network, overIPv6);
        Assert.Equal(1280, AwaitMtu(path.Near, path.Far));
        Assert.Equal(1280, AwaitMtu(path.Far, path.Near));

        AssertTcp(path, path.Near, path.Far);
        AssertTcp(path, path.Far, path.Near);
        AssertDatagrams(path, path.Near, path.Far);
        AssertDatagrams(path, path.Far, path.Near);
        AssertPings(path, overIPv6);
        Assert.Contains("direct, MTU 1280 ", path.Near.Try("status", MeshNode.Interface).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, 1280, false, false)]
    [InlineData(false, 1280, false, true)]
    [InlineData(false, 1280, true, false)]
    [InlineData(true, 1280, false, false)]
    [InlineData(true, 1280, false, true)]
    [InlineData(true, 1280, true, false)]
    [InlineData(false, 1420, true, true)]
    [InlineData(true, 1420, false, true)]
    [InlineData(false, 1000, true, true)]
    [Trait("Category", "Soak")]
    public void Everything_gets_through_whatever_the_network_drops(bool overIPv6, int mtu, bool dropsIcmp, bool dropsFragments)
    {
        using var path = new SmallPath(mesh.Network, overIPv6, mtu, dropsIcmp, dropsFragments);
        Assert.InRange(AwaitMtu(path.Near, path.Far), mtu - 16, mtu);
        Assert.InRange(AwaitMtu(path.Far, path.Near), mtu - 16, mtu);

        AssertTcp(path, path.Near, path.Far);
        AssertTcp(path, path.Far, path.Near);
        AssertDatagrams(path, path.Near, path.Far);
        AssertDatagrams(path, path.Far, path.Near);
        AssertPings(path, overIPv6);
    }

    [Fact]
    public void A_network_behind_a_node_whose_segments_come_one_by_one_gets_through_too()
    {
        using var path = new SmallPath(mesh.Network, overIPv6: false, childPrefix: "172.30.0.0/24");
        Host inside = mesh.Network.Net.AddHost("size-inside");
        Link link = mesh.Network.Net.Connect(path.Far.Host, inside, ["172.30.0.1/24"], ["172.30.0.2/24"]);
        inside.AddRoute("0.0.0.0/0", "172.30.0.1");
        path.Far.Host.EnableForwarding();
        foreach ((Host host, string name) in new[] { (path.Far.Host, link.InterfaceOfA), (inside, link.InterfaceOfB) })
            host.Run("ethtool", "-K", name, "tso", "off", "gso", "off", "gro", "off", "tx", "off");
        AwaitMtu(path.Far, path.Near);
        path.Near.AwaitReach("172.30.0.2");

        Assert.InRange(Iperf.Tcp(inside, path.Near.Host, path.Near.Address, Second).BitsPerSecond, 5e6, double.MaxValue);
        Assert.InRange(Iperf.Tcp(path.Near.Host, inside, "172.30.0.2", Second).BitsPerSecond, 5e6, double.MaxValue);
        AssertAnswers(inside, path.Near.Address, "-s", "1400");
    }

    [Fact]
    public void A_node_between_two_overlays_passes_on_everything_over_1280_bytes_twice()
    {
        const string Prefix = "10.77.0.0/24", Beyond = "10.78.0.0/24", Interface = "kedge1";
        MeshNetwork network = mesh.Network;
        using var path = new SmallPath(network, overIPv6: false, childPrefix: Beyond);
        network.Administer("zone", "create", "size-beyond", "--prefix", Beyond);
        string joinFile = network.WriteToken("--zone", "size-beyond", "--reusable", "--allow-prefix", Prefix);
        MeshNode beyond = network.AddNode("size-beyond-node"), between = path.Far;
        between.Host.EnableForwarding();
        Command join = between.Call(
            "up", "--interface", Interface, "--name", between.Label, "--join-file", joinFile, "--child-prefix", Prefix);
        between.Host.Start(join).WaitForLine("is up: node", MeshNetwork.Patience);
        try
        {
            beyond.Up("--join-file", joinFile);
            path.Near.AwaitReach(beyond.Address);
            Assert.Equal(1280, AwaitMtu(beyond, between));
            Assert.Equal(1280, AwaitMtu(path.Near, between));

            AssertThrough(path.Near, beyond, beyond.Address);
            AssertThrough(beyond, path.Near, path.Near.Address);
        }
        finally
        {
            beyond.Try("down", "--interface", MeshNode.Interface);
            between.Try("down", "--interface", Interface);
        }
    }

    [Fact]
    public void A_stock_tunnel_through_a_tunnel_over_1280_bytes_carries_everything()
    {
        using var path = new SmallPath(mesh.Network, overIPv6: false);
        Assert.Equal(1280, AwaitMtu(path.Near, path.Far));
        Assert.Equal(1280, AwaitMtu(path.Far, path.Near));
        using DeviceProcess near = DeviceProcess.StartWireGuardGo(path.Near.Host), far = DeviceProcess.StartWireGuardGo(path.Far.Host);
        near.SetUp(["10.88.0.1/24"]);
        far.SetUp(["10.88.0.2/24"]);
        far.AddPeer(near, ["10.88.0.1/32"]);
        near.AddPeer(far, ["10.88.0.2/32"], $"{path.Far.Address}:{far.ListenPort}");

        AssertThrough(path.Near, path.Far, "10.88.0.2");
        AssertThrough(path.Far, path.Near, "10.88.0.1");
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void A_path_that_shrinks_under_traffic_and_tells_nobody_goes_on()
    {
        using var path = new SmallPath(mesh.Network, overIPv6: true, mtu: 1500);
        Assert.Equal(1500, AwaitMtu(path.Near, path.Far));

        path.Resize(1280);
        double rate = Iperf.Tcp(path.Near.Host, path.Far.Host, path.Far.Address, 6 * Second).BitsPerSecond;

        Assert.InRange(rate, 5e6, double.MaxValue);
        Assert.Equal(1280, Mtu(path.Near, path.Far));
    }

    private static void AssertThrough(MeshNode from, MeshNode to, string address)
    {
        AssertAnswers(from.Host, address, "-s", "1400");
        Assert.InRange(Iperf.Tcp(from.Host, to.Host, address, Second).BitsPerSecond, 5e6, double.MaxValue);
    }

    private static void AssertTcp(SmallPath path, MeshNode from, MeshNode to)
    {
        double rate = Iperf.Tcp(from.Host, to.Host, to.Address, 2 * Second).BitsPerSecond;
        if (rate < 20e6)
            Assert.Fail($"{from.Label} sends {rate / 1e6:0.0} Mbit/s.{path.Logs()}");
    }

    private static void AssertDatagrams(SmallPath path, MeshNode from, MeshNode to)
    {
        const ushort Port = 7001;
        using UdpPort source = new(), sink = new();
        from.Host.Namespace.Run(() => source.Open(0));
        to.Host.Namespace.Run(() => sink.Open(Port));
        using var receiver = new Receiver(sink);
        var destination = new Endpoint(IpAddress.Parse(to.Address), Port);
        List<int> missing = [.. Enumerable.Range(4, LongestPayload - 3)];
        // A busy machine may lose some for reasons of its own, but not the same ones each time.
        for (int round = 0; round < 4 && missing.Count > 0; round++)
        {
            foreach (int[] some in missing.Chunk(50))
            {
                foreach (int size in some)
                    source.Sockets[0].Send([Batch.Datagram(destination, size, size)]);
                Wait.TryUntil(() => false, TimeSpan.FromMilliseconds(5));
            }
            Wait.TryUntil(() => Missing(receiver).Count == 0, Second);
            missing = Missing(receiver);
        }
        if (missing.Count > 0)
            Assert.Fail($"From {from.Label}, datagrams of {string.Join(", ", missing.Take(20))} bytes do not arrive.{path.Logs()}");

        static List<int> Missing(Receiver receiver)
        {
            HashSet<int> arrived = [.. receiver.All.Where(IsRight).Select(one => one.Bytes.Length)];
            return [.. Enumerable.Range(4, LongestPayload - 3).Where(size => !arrived.Contains(size))];
        }

        static bool IsRight(Received one) =>
            BitConverter.ToInt32(one.Bytes) == one.Bytes.Length && !one.Bytes.AsSpan(4).ContainsAnyExcept((byte)one.Bytes.Length);
    }

    private static void AssertPings(SmallPath path, bool overIPv6)
    {
        string to = path.Far.Address, to6 = path.Far.Addresses.First(address => address.Contains(':', StringComparison.Ordinal));
        // The kernel fragments these itself, or does once it has been told.
        foreach (string size in (string[])["1100", "1300", "1392", "1400"])
            AssertAnswers(path.Near.Host, to, "-s", size);
        foreach (string size in (string[])["1232", "1300"])
            AssertAnswers(path.Near.Host, to6, "-s", size);
        string limit = ((1280 - (overIPv6 ? 80 : 60)) & -16).ToString(CultureInfo.InvariantCulture);
        if (Mtu(path.Near, path.Far) != 1280)
            return;
        path.Near.Host.Ip("route", "flush", "cache");
        CommandResult refused = path.Near.Host.TryRun("ping", "-n", "-M", "do", "-s", "1300", "-c", "1", "-W", "1", to);
        Assert.Contains($"mtu = {limit}", refused.Output, StringComparison.Ordinal);
    }

    /// <summary>Of five pings the first ones may find out, in both directions, what is too long.</summary>
    private static void AssertAnswers(Host from, string to, params string[] arguments)
    {
        string output = from.TryRun(["ping", "-n", "-i", "0.1", "-W", "1", "-c", "5", .. arguments, to]).Output;
        if (output.Split('\n').Count(line => line.Contains("bytes from", StringComparison.Ordinal)) < 3)
            Assert.Fail($"ping {string.Join(' ', arguments)}: {output}");
    }

    private static int AwaitMtu(MeshNode node, MeshNode peer)
    {
        // What is carried is known more and more exactly.
        int? before = null;
        Wait.Until(IsSteady, MeshNetwork.Patience, $"what the path of {node.Label} carries");
        return before!.Value;

        bool IsSteady()
        {
            int? last = before;
            before = Mtu(node, peer);
            return (before is not null && before == last) || Wait.TryUntil(() => false, Second / 2);
        }
    }

    private static int? Mtu(MeshNode node, MeshNode peer)
    {
        NodePath path = NodePath.Of(node, peer);
        using var json = JsonDocument.Parse(path.Text);
        JsonElement mtu = json.RootElement.GetProperty("mtu");
        return mtu.ValueKind == JsonValueKind.Number ? mtu.GetInt32() : null;
    }
}
