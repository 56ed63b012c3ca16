using System.Globalization;
using System.Text.RegularExpressions;
using Kedge.Demo;

namespace Kedge.SystemTests.Packages;

/// <summary>An upgrade of the package on a machine with systemd, whose units carry a tunnel meanwhile.</summary>
[Collection(nameof(PackageTests))]
public sealed partial class UpgradeTests(BuiltPackages packages)
{
    private const int Pings = 600;

    // The restart of the node process and what is on its way meanwhile: with a ping each 50 ms, three seconds.
    private const int MostLost = 60;

    [Fact]
    [Trait("Category", "Soak")]
    public void An_upgrade_restarts_the_units_and_loses_no_tunnel()
    {
        string folder = Path.Combine(packages.TempFolder, "upgrade");
        BuiltPackages.Build(folder, "1.1.0", "deb");
        string older = Path.GetFileName(Assert.Single(Directory.GetFiles(folder, "kedge_*.deb"))), newer = Path.GetFileName(packages.Deb);
        File.Copy(packages.Deb, Path.Combine(folder, newer));
        using var net = Topology.Create();
        Host host = net.AddHost("machine"), peer = net.AddHost("peer");
        net.Connect(host, peer, ["10.9.0.1/24"], ["10.9.0.2/24"]);
        using var machine = new Machine(host, "/", folder, withServices: true);
        machine.Run("dpkg", "--install", $"/mnt/{older}");
        machine.Run("sh", "-c", "echo KEDGE_CONTROLLER_LISTEN=10.9.0.1:8443 > /etc/kedge/controller.env");
        machine.Run("sh", "-c", "echo KEDGE_CONTROLLER_URL=https://10.9.0.1:8443 >> /etc/kedge/controller.env");
        machine.Run("systemctl", "start", "kedge-controller");
        machine.Run("kedge", "login", "--data-dir", "/var/lib/kedge-controller");
        machine.Run("kedge", "token", "create", "--out", "/etc/kedge/kedge0.join");
        machine.Run("kedge", "token", "create", "--out", "/mnt/peer.join");
        machine.Run("systemctl", "enable", "--now", "kedge-node@kedge0", "kedge-link@kedge0");
        string overlay = Address().Match(machine.Run("ip", "-4", "-oneline", "address", "show", "kedge0").Output).Groups["address"].Value;
        // The other end is a program of the tree: only one end is upgraded.
        string theirs = net.NewInterfaceName(), join = Path.Combine(folder, "peer.join");
        peer.Start(Repository.Program, "up", "--interface", theirs, "--join-file", join, "--name", "peer",
            "--state-dir", Path.Combine(net.TempFolder, "state"), "--run-dir", Path.Combine(net.TempFolder, "run"));
        Wait.Until(() => peer.TryRun("ping", "-c", "1", "-W", "1", overlay).Succeeded, Machine.Patience, "the tunnel carries packets");
        string before = Processes(machine);

        using RunningProcess pings = peer.Start("ping", "-c", Pings.ToString(CultureInfo.InvariantCulture), "-i", "0.05", overlay);
        pings.WaitForLine("icmp_seq=20 ", Machine.Patience);
        machine.Run("dpkg", "--install", $"/mnt/{newer}");
        string said = pings.WaitForExit(TimeSpan.FromMinutes(3)).Output;

        int received = int.Parse(Received().Match(said).Groups["count"].Value, CultureInfo.InvariantCulture);
        TestContext.Current.TestOutputHelper!.WriteLine($"{Pings - received} of {Pings} pings lost");
        Assert.InRange(received, Pings - MostLost, Pings);
        string[] after = Processes(machine).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, after.Length);
        Assert.Empty(after.Intersect(before.Split('\n', StringSplitOptions.RemoveEmptyEntries)));

        machine.Run("dpkg", "--remove", "kedge");
        Assert.False(machine.TryRun("ip", "link", "show", "kedge0").Succeeded);
    }

    private static string Processes(Machine machine) => machine.Run(
        "systemctl", "show", "--property", "MainPID", "--value", "kedge-controller", "kedge-node@kedge0", "kedge-link@kedge0").Output;

    [GeneratedRegex(@"inet (?<address>[\d.]+)")]
    private static partial Regex Address();

    [GeneratedRegex(@"(?<count>\d+) received")]
    private static partial Regex Received();
}
