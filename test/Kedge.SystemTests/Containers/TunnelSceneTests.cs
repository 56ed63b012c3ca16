using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Containers;

/// <summary>The server and the client of <c>deploy/container/compose.yaml</c>, by <c>docker compose</c> and by podman-compose.</summary>
[Collection(ContainerCollection.Name)]
public sealed class TunnelSceneTests(ContainerImage image)
{
    private static readonly TimeSpan RenewalTime = TimeSpan.FromSeconds(150);

    [Fact]
    public void Server_and_client_have_a_tunnel_for_both_address_families_and_down_leaves_nothing()
    {
        using var engine = new ContainerEngine();
        engine.Load(image.Archive);
        using var scene = new ComposeProject(engine, "compose.yaml", "docker", "compose");

        scene.UpAndWait();

        AssertTunnelWorks(scene);
        string[] server = scene.Exec("server", "sh", "-c", "kedge status rosenpass0 --check; touch /x || grep CapEff /proc/1/status")
            .Output.TrimEnd().Split('\n');
        Assert.Equal("rosenpass0 is healthy.", server[0]);
        Assert.Equal("CapEff:\t0000000000001000", server[1]); // the root is read-only, and all that may be done is CAP_NET_ADMIN
        string keys = scene.Exec("client", "cat", "/public/client/wgpk").Output;

        scene.Run("down");

        Assert.Equal("", engine.Run("podman", "ps", "--all", "--quiet").Output);
        Assert.Empty(engine.Bridges);

        // The keys are made once.
        scene.UpAndWait();
        Assert.Equal(keys, scene.Exec("client", "cat", "/public/client/wgpk").Output);
        scene.Run("down", "--volumes");
        Assert.Equal("", engine.Run("podman", "volume", "ls", "--quiet").Output);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void The_preshared_key_is_another_one_after_two_minutes()
    {
        using var engine = new ContainerEngine();
        engine.Load(image.Archive);
        using var scene = new ComposeProject(engine, "compose.yaml", "docker", "compose");
        scene.UpAndWait();
        string first = PresharedKey(scene, "server");
        Assert.Equal(first, PresharedKey(scene, "client"));

        Wait.Until(() => PresharedKey(scene, "server") != first, RenewalTime, "another preshared key");

        Wait.Until(() => PresharedKey(scene, "client") == PresharedKey(scene, "server"), Timeouts.Soon, "the same key at both ends");
        AssertTunnelWorks(scene);
        Assert.Equal(0, scene.TryExec("client", "kedge", "status", "rosenpass0", "--check").ExitCode);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void Podman_compose_brings_the_same_scene_up()
    {
        using var engine = new ContainerEngine();
        engine.Load(image.Archive);
        using var scene = new ComposeProject(engine, "compose.yaml", ContainerEngine.PodmanCompose);

        scene.Run("up", "--detach");

        Wait.Until(
            () => scene.TryExec("client", "kedge", "status", "rosenpass0", "--check").Succeeded, Timeouts.NoAnswer, "a healthy tunnel");
        AssertTunnelWorks(scene);
    }

    private static void AssertTunnelWorks(ComposeProject scene)
    {
        string output = scene.Exec(
            "client", "sh", "-c",
            "ping6 -c 3 -i 0.2 -W 2 fe90::3%rosenpass0 && ping -c 3 -i 0.2 -W 2 10.93.0.3 && ip link show dev rosenpass0").Output;
        Assert.Equal(2, output.Split('\n').Count(line => line.Contains("3 received", StringComparison.Ordinal)));
        Assert.Contains("mtu 1420", output, StringComparison.Ordinal);
    }

    private static string PresharedKey(ComposeProject scene, string service) =>
        scene.Exec(service, "wg", "show", "all", "preshared-keys").Output.Trim().Split('\t')[2];
}
