using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Soak;

/// <summary><c>kedge service</c> under a systemd that runs.</summary>
[Trait("Category", "Soak")]
public sealed class ServiceLifeTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Topology _net = Topology.Create();
    private readonly SystemdMachine _machine;

    public ServiceLifeTests() => _machine = new SystemdMachine(_net);

    public void Dispose()
    {
        _machine.Dispose();
        _net.Dispose();
    }

    [Fact]
    public void A_controller_and_a_node_live_as_services_and_leave_nothing()
    {
        InstallController();
        _machine.Run("kedge", "token", "create", "--out", "/tmp/alpha.join");

        CommandResult install = _machine.Run("kedge", "service", "install", "node", "--join-file", "/tmp/alpha.join", "--name", "alpha");

        Assert.Contains("kedge0 is up, and starts at boot: node 'alpha' of zone 'default'", install.Error, StringComparison.Ordinal);
        Assert.False(_machine.Has("/etc/kedge/kedge0.join"));
        _machine.Run("kedge", "service", "status");
        Assert.Contains("Ready to be configured", _machine.Run("kedge", "logs").Output, StringComparison.Ordinal);
        Assert.Contains("Ready: nodes join at", _machine.Run("kedge", "logs", "--controller").Output, StringComparison.Ordinal);
        _machine.Run("systemctl", "kill", "--signal=KILL", "kedge-node@kedge0.service", "kedge-link@kedge0.service");
        Wait.Until(() => _machine.Try("kedge", "service", "status").Succeeded, Patience, "the node's return");

        _machine.Run("kedge", "service", "install", "node", "--mtu", "1380");
        Assert.Contains("mtu 1380", _machine.Run("ip", "link", "show", "kedge0").Output, StringComparison.Ordinal);
        _machine.Run("kedge", "up", "--detach"); // which takes over what runs
        Assert.Equal(1, _machine.Try("kedge", "service", "install", "node").ExitCode);

        CommandResult down = _machine.Run("kedge", "down");
        Assert.Contains("'kedge service uninstall node'", down.Error, StringComparison.Ordinal);
        Assert.Equal(1, _machine.Try("kedge", "service", "status").ExitCode);
        Assert.False(_machine.Try("ip", "link", "show", "kedge0").Succeeded);
        _machine.Run("kedge", "service", "install", "node");
        _machine.Run("kedge", "service", "status");

        _machine.Run("kedge", "service", "uninstall", "node", "--purge");
        Assert.DoesNotContain("alpha", _machine.Run("kedge", "node", "list").Output, StringComparison.Ordinal);
        _machine.Run("kedge", "service", "uninstall", "controller", "--purge");
        Assert.All(
            (string[])
            [
                "/var/lib/kedge/kedge0", "/var/lib/private/kedge-controller", "/etc/kedge", "/etc/systemd/system/kedge-controller.service",
                "/etc/systemd/system/kedge-node@.service",
            ],
            path => Assert.False(_machine.Has(path), path));
        Assert.DoesNotContain("kedge", _machine.Run("ip", "link").Output, StringComparison.Ordinal);
        Assert.Equal("", _machine.Run("systemctl", "list-units", "--all", "--plain", "--no-legend", "kedge-*").Output);
    }

    [Fact]
    public void A_node_that_waits_to_be_certified_is_not_waited_for_and_comes_up_by_itself()
    {
        _machine.Run("kedge", "ca", "init", "/tmp/master");
        InstallController("--locked", "/tmp/master/master.pem");
        _machine.Run("kedge", "token", "create", "--out", "/tmp/router.join");

        CommandResult install = _machine.Run("kedge", "service", "install", "node", "--join-file", "/tmp/router.join", "--name", "router");

        Assert.Contains("Node 'router' of zone 'default' is registered and waits", install.Error, StringComparison.Ordinal);
        Assert.Equal(1, _machine.Try("kedge", "service", "status").ExitCode);
        _machine.Run("kedge", "node", "requests", "--out", "/tmp/requests.json");
        string key = JsonDocument.Parse(_machine.Try("kedge", "status", "kedge0", "--json").Output).RootElement
            .GetProperty("node").GetProperty("identityKeyHash").GetString()!;
        _machine.Run("kedge", "ca", "sign", "--ca", "/tmp/master", "--expect", $"router={key}", "--out", "/tmp/signed.json", "/tmp/requests.json");
        _machine.Run("kedge", "node", "certify", "/tmp/signed.json");
        Wait.Until(() => _machine.Try("kedge", "service", "status").Succeeded, Patience, "the node");
    }

    [Fact]
    public void A_service_that_does_not_start_is_told_with_its_own_words()
    {
        _machine.Run("bash", "-c", "mkdir -p /var/lib/private/kedge-controller; echo rubbish > /var/lib/private/kedge-controller/store.db");

        CommandResult install = _machine.Try("kedge", "service", "install", "controller");

        Assert.Equal(1, install.ExitCode);
        Assert.Contains("kedge-controller.service is installed, but does not start. Its log:", install.Error, StringComparison.Ordinal);
        Assert.Contains("store.db", install.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_controller_of_a_locked_network_reads_the_certificate_of_its_master()
    {
        _machine.Run("kedge", "ca", "init", "/tmp/master");

        _machine.Run("kedge", "service", "install", "controller", "--locked", "/tmp/master/master.pem");

        Assert.Contains("(locked)", _machine.Run("kedge", "logs", "--controller").Output, StringComparison.Ordinal);
    }

    private void InstallController(params string[] options)
    {
        _machine.Run(["kedge", "service", "install", "controller", .. options]);
        _machine.Run("kedge", "login", "--data-dir", "/var/lib/kedge-controller");
    }
}
