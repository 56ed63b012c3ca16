using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// Containers on a bridge of a node, with the chains that Docker makes: a policy that drops what is forwarded, <c>DOCKER-USER</c> for the
/// administrator, and rules that let the bridge's own traffic out and its answers in. Namespaces stand in for the containers.
/// </summary>
public sealed class ContainersBehindNodeTests : IDisposable
{
    private const string Bridge = "docker0";

    private static readonly string[] DockersRules =
    [
        "-P FORWARD DROP",
        "-N DOCKER-USER",
        "-N DOCKER",
        "-A FORWARD -j DOCKER-USER",
        $"-A FORWARD -o {Bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        $"-A FORWARD -o {Bridge} -j DOCKER",
        $"-A FORWARD -i {Bridge} ! -o {Bridge} -j ACCEPT",
        $"-A FORWARD -i {Bridge} -o {Bridge} -j ACCEPT",
        "-A DOCKER-USER -j RETURN",
        $"-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o {Bridge} -j MASQUERADE",
    ];

    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void Containers_are_reached_and_reach_others_once_the_command_that_netcheck_names_was_run()
    {
        MeshNode node = _mesh.AddNode("docker");
        Host container = AddContainer(node.Host);
        node.Host.EnableForwarding();
        foreach (string rule in DockersRules)
            node.Host.Run(["iptables", .. rule.Split(' ')]);
        node.Up("--join-file", _mesh.WriteToken("--allow-prefix", "172.17.0.0/16"), "--child-prefix", "172.17.0.0/16");
        MeshNode other = _mesh.Join("other");
        other.AwaitReach(node);
        Wait.Until(
            () => other.Host.Ip("route", "get", "172.17.0.2").Output.Contains("dev kedge0", StringComparison.Ordinal), MeshNetwork.Patience, "the containers' network");
        Assert.False(Pings(other.Host, "172.17.0.2"));

        string command = ForwardingCommand(node);
        Assert.Contains("DOCKER-USER", command, StringComparison.Ordinal);
        node.Host.Run("sh", "-c", command);

        other.AwaitReach("172.17.0.2");
        Assert.True(Pings(container, other.Address));
        using JsonDocument after = Netcheck(node);
        Assert.True(Forwarding(after).GetProperty("ok").GetBoolean());
    }

    private Host AddContainer(Host host)
    {
        host.Ip("link", "add", "name", Bridge, "type", "bridge");
        host.AddAddress(Bridge, "172.17.0.1/16");
        host.Ip("link", "set", Bridge, "up");
        Host container = _mesh.Net.AddHost("container");
        Link cable = _mesh.Net.Connect(container, host, ["172.17.0.2/16"], []);
        host.Ip("link", "set", cable.InterfaceOfB, "master", Bridge);
        container.AddRoute("default", "172.17.0.1");
        return container;
    }

    private static bool Pings(Host from, string address) => from.TryRun("ping", "-n", "-c", "1", "-W", "2", address).Succeeded;

    private static JsonDocument Netcheck(MeshNode node) => JsonDocument.Parse(node.Try("netcheck", "--json").Output);

    private static JsonElement Forwarding(JsonDocument netcheck) =>
        netcheck.RootElement.GetProperty("checks").EnumerateArray().Single(check => check.GetProperty("check").GetString() == "forwarding");

    private static string ForwardingCommand(MeshNode node)
    {
        using JsonDocument netcheck = Netcheck(node);
        return Forwarding(netcheck).GetProperty("detail").GetString()!.Split("Allow it with: ")[1];
    }
}
