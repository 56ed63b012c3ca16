using System.Text.Json;
using Kedge.Demo;
using Kedge.Protocol.Paths;

namespace Kedge.SystemTests.Mesh;

/// <summary>Nodes that reach each other.</summary>
public sealed class MeshTests : IDisposable
{
    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void Nodes_of_a_zone_reach_each_other_by_both_families_and_by_name()
    {
        MeshNode a = _mesh.Join("alpha"), b = _mesh.Join("beta");

        foreach (string address in b.Addresses)
            a.AwaitReach(address);
        foreach (string address in a.Addresses)
            b.AwaitReach(address);
        CommandResult ping = a.Try("ping", "beta", "-c", "1");
        Assert.True(ping.Succeeded, ping.Error + ping.Output);
        Assert.Contains(b.Address, ping.Output, StringComparison.Ordinal);

        string status = a.Host.Run(a.Call("status", MeshNode.Interface)).Output;
        Assert.Contains("beta", status, StringComparison.Ordinal);
        Assert.Contains("direct", status, StringComparison.Ordinal);
        Assert.Contains("connected since", status, StringComparison.Ordinal);
        Assert.DoesNotContain("problems", status, StringComparison.Ordinal);
        using JsonDocument json = JsonDocument.Parse(a.Host.Run(a.Call("status", MeshNode.Interface, "--json")).Output);
        JsonElement peer = Assert.Single(json.RootElement.GetProperty("node").GetProperty("peers").EnumerateArray());
        Assert.Equal("beta", peer.GetProperty("name").GetString());
    }

    [Fact]
    public void Two_zones_with_one_prefix_live_on_one_machine_by_a_namespace()
    {
        _mesh.Administer("zone", "create", "other", "--prefix", "10.200.0.0/20");
        MeshNode a = _mesh.Join("alpha", "--request-ip", "10.200.0.5");
        MeshNode b = _mesh.AddNode("beta");
        b.Up("--join-file", _mesh.WriteToken("--zone", "other"), "--request-ip", "10.200.0.5");
        MeshNode third = _mesh.AddNode("gamma");
        third.Up("--join-file", _mesh.JoinFile, "--request-ip", "10.200.0.9");
        using RunningProcess refused = third.Host.Start(third.Call("up", "--interface", "kedge1", "--name", "gamma", "--join-file", _mesh.WriteToken("--zone", "other")));
        CommandResult overlap = refused.WaitForExit(MeshNetwork.Patience);
        Assert.Equal(1, overlap.ExitCode);
        Assert.Contains("--netns", overlap.Error, StringComparison.Ordinal);

        Host inside = _mesh.Net.AddHost("inside");
        third.Host.Start(third.Call("up", "--interface", "kedge1", "--netns", inside.Namespace.Name)).WaitForLine("is up: node", MeshNetwork.Patience);

        // The same address, and two machines: each namespace reaches its own.
        third.AwaitReach("10.200.0.5");
        Wait.Until(() => inside.TryRun("ping", "-c", "1", "-W", "1", "10.200.0.5").Succeeded, MeshNetwork.Patience, "an answer inside");
        ulong ReceivedBy(MeshNode node) => node.DeviceStatus().Peers.Single().ReceivedBytes;
        (ulong atA, ulong atB) = (ReceivedBy(a), ReceivedBy(b));
        Ping.Run(inside, "10.200.0.5", count: 5, payloadBytes: 1000);
        Assert.True(ReceivedBy(b) > atB + 5000);
        Assert.InRange(ReceivedBy(a), atA, atA + 1000);
        CommandResult down = third.Try("down", "--interface", "kedge1");
        Assert.True(down.Succeeded, down.Error);
        Assert.DoesNotContain("kedge1", inside.Ip("link").Output, StringComparison.Ordinal);
        Assert.True(Ping.Run(third.Host, "10.200.0.5").AllReceived);
    }

    [Fact]
    public void A_network_behind_a_node_is_reached_from_every_other()
    {
        MeshNode router = _mesh.AddNode("router");
        Host container = _mesh.Net.AddHost("container");
        _mesh.Net.Connect(router.Host, container, ["10.7.0.1/24"], ["10.7.0.2/24"]);
        container.AddRoute("default", "10.7.0.1");
        RunningProcess up = router.Start("--join-file", _mesh.WriteToken("--allow-prefix", "10.7.0.0/16"), "--child-prefix", "10.7.0.0/24");
        up.WaitForLine("is up: node", MeshNetwork.Patience);
        up.WaitForLine("sysctl -w net.ipv4.ip_forward=1", MeshNetwork.Patience);
        Wait.Until(
            () => router.LinkStatus()?.Problems.Any(problem => problem.Contains("sysctl -w net.ipv4.ip_forward=1", StringComparison.Ordinal)) == true,
            MeshNetwork.Patience, "the status to say so");
        router.Host.Run("sysctl", "-w", "net.ipv4.ip_forward=1");
        MeshNode a = _mesh.Join("alpha"), b = _mesh.Join("beta");

        a.AwaitReach("10.7.0.2");
        b.AwaitReach("10.7.0.2");
        Wait.Until(() => container.TryRun("ping", "-c", "1", "-W", "1", a.Address).Succeeded, MeshNetwork.Patience, "an answer to the container");
    }

    [Fact]
    public void A_node_inside_the_network_behind_another_one_is_still_reached_directly()
    {
        // The site is a public network that its gateway announces, and another node is in it.
        Host gateway = _mesh.AddHost("gateway");
        gateway.EnableForwarding();
        Switch site = _mesh.Net.AddSwitch("site");
        site.Attach(gateway, ["198.51.100.1/24"]);
        _mesh.ControllerHost.AddRoute("198.51.100.0/24", "192.0.2.2");
        MeshNode inside = JoinSite("inside", 7), router = JoinSite("router", 8, "--child-prefix", "198.51.100.0/24");
        MeshNode outside = _mesh.AddNode("outside");
        outside.Host.AddRoute("default", "192.0.2.2");

        outside.Up("--join-file", _mesh.JoinFile);

        outside.AwaitReach(router);
        outside.AwaitReach(inside);
        Assert.Contains("dev kedge0", outside.Host.Ip("route", "get", "198.51.100.99").Output, StringComparison.Ordinal);
        Assert.StartsWith("198.51.100.7:", outside.EndpointOf("inside"), StringComparison.Ordinal);
        router.AwaitReach(inside);

        MeshNode JoinSite(string label, int number, params string[] arguments)
        {
            Host host = _mesh.Net.AddHost(label);
            site.Attach(host, [$"198.51.100.{number}/24"]);
            host.AddRoute("default", "198.51.100.1");
            var node = new MeshNode(_mesh, host, label);
            node.Up(["--join-file", _mesh.WriteToken("--allow-prefix", "198.51.100.0/24"), .. arguments]);
            return node;
        }
    }

    [Fact]
    public void Nodes_behind_one_nat_talk_by_their_local_addresses()
    {
        Host gateway = _mesh.AddHost("gateway");
        gateway.EnableForwarding();
        Switch inside = _mesh.Net.AddSwitch("inside");
        inside.Attach(gateway, ["172.16.5.1/24"]);
        gateway.Masquerade("eth0");
        MeshNode[] nodes = [.. Enumerable.Range(0, 2).Select(number =>
        {
            string label = $"inside{number}";
            Host host = _mesh.Net.AddHost(label);
            inside.Attach(host, [$"172.16.5.{number + 10}/24"]);
            host.AddRoute("default", "172.16.5.1");
            var node = new MeshNode(_mesh, host, label);
            node.Up("--join-file", _mesh.JoinFile);
            return node;
        })];
        Wait.Until(() => nodes.All(node => node.LinkStatus()?.BehindNat == true), MeshNetwork.Patience, "the NAT to be noticed");
        MeshNode outside = _mesh.Join("outside");

        nodes[0].AwaitReach(nodes[1]);
        outside.AwaitReach(nodes[0]);

        Assert.StartsWith("172.16.5.11:", nodes[0].EndpointOf("inside1"), StringComparison.Ordinal);
        Assert.All(nodes[0].DeviceStatus().Peers, peer => Assert.Equal(PathState.Direct, peer.PathState));
        Assert.StartsWith("192.0.2.", outside.EndpointOf("inside0"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_that_leaves_is_forgotten_and_its_keys_are_gone()
    {
        MeshNode a = _mesh.Join("alpha"), b = _mesh.Join("beta");
        Wait.Until(() => a.LinkStatus()?.Peers.Count == 1, MeshNetwork.Patience, "a peer");

        CommandResult down = b.Try("down", "--leave");

        Assert.True(down.Succeeded, down.Error);
        Assert.False(Directory.Exists(b.Folder.Path));
        Wait.Until(() => a.LinkStatus()?.Peers.Count == 0, MeshNetwork.Patience, "the peer's removal");
    }
}
