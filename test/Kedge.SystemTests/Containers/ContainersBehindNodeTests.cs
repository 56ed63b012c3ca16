using System.Net.Sockets;
using System.Text.Json;
using Kedge.SystemTests.Mesh;

namespace Kedge.SystemTests.Containers;

/// <summary>
/// A container of podman on a bridge of the machine that a node is on, which announces the bridge's subnet. podman stands in for Docker, and
/// lets through what is forwarded; so the policy and the chain that Docker has in its place are added. The test of the same name in
/// <see cref="Mesh"/> has all of Docker's rules, and no engine.
/// </summary>
[Collection(ContainerCollection.Name)]
public sealed class ContainersBehindNodeTests : IDisposable
{
    private const string Subnet = "172.17.0.0/16", Address = "172.17.0.2";

    private static readonly string[] DockersRules =
    [
        "-P FORWARD DROP", "-N DOCKER-USER", "-I FORWARD 1 -j DOCKER-USER", "-A DOCKER-USER -j RETURN",
    ];

    private readonly MeshNetwork _mesh = new();
    private readonly MeshNode _node, _other;
    private readonly ContainerEngine _engine;

    public ContainersBehindNodeTests(ContainerImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        _node = _mesh.AddNode("docker");
        _node.Host.EnableForwarding();
        _engine = new ContainerEngine(_node.Host);
        _engine.Load(image.Archive);
        _engine.Run("docker", "network", "create", "--subnet", Subnet, "behind");
        _engine.Run(
            "docker", "run", "--detach", "--name", "web", "--network", "behind", "--ip", Address, "--sysctl", "net.ipv4.ping_group_range=0 0",
            "--entrypoint", "sh", "kedge", "-c", "echo from the container >/tmp/index.html; exec httpd -f -p 80 -h /tmp");
        _node.Up("--join-file", _mesh.WriteToken("--allow-prefix", Subnet), "--child-prefix", Subnet);
        _other = _mesh.Join("other");
        _other.AwaitReach(_node);
    }

    public void Dispose()
    {
        _engine.Dispose();
        _mesh.Dispose();
    }

    [Fact]
    public void A_container_is_reached_at_its_address_and_reaches_others_also_behind_Dockers_policy()
    {
        _other.AwaitReach(Address);
        Assert.EndsWith("from the container\n", Fetch(), StringComparison.Ordinal);
        Assert.True(PingsOther());

        foreach (string rule in DockersRules)
            _node.Host.Run(["iptables", .. rule.Split(' ')]);
        Assert.False(_other.Host.TryRun("ping", "-n", "-c", "1", "-W", "2", Address).Succeeded);
        (bool isOk, string detail) = Forwarding();
        Assert.False(isOk, detail);
        string command = detail.Split("Allow it with: ")[1];
        Assert.Contains("DOCKER-USER", command, StringComparison.Ordinal);

        _node.Host.Run("sh", "-c", command);
        _other.AwaitReach(Address);
        Assert.EndsWith("from the container\n", Fetch(), StringComparison.Ordinal);
        Assert.True(PingsOther());
        Assert.True(Forwarding().IsOk);
    }

    private string Fetch() => _other.Host.Namespace.Run(() =>
    {
        using var client = new TcpClient();
        client.Connect(Address, 80);
        using NetworkStream stream = client.GetStream();
        stream.ReadTimeout = (int)MeshNetwork.Patience.TotalMilliseconds;
        stream.Write("GET / HTTP/1.0\r\n\r\n"u8);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    });

    private bool PingsOther() => _engine.TryRun("docker", "exec", "web", "ping", "-n", "-c", "1", "-W", "5", _other.Address).Succeeded;

    private (bool IsOk, string Detail) Forwarding()
    {
        using JsonDocument netcheck = JsonDocument.Parse(_node.Try("netcheck", "--json").Output);
        JsonElement check = netcheck.RootElement.GetProperty("checks").EnumerateArray()
            .Single(check => check.GetProperty("check").GetString() == "forwarding");
        return (check.GetProperty("ok").GetBoolean(), check.GetProperty("detail").GetString()!);
    }
}
