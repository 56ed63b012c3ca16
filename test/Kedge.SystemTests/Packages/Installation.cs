using Kedge.Demo;

namespace Kedge.SystemTests.Packages;

/// <summary>A life of the package on a machine: installed, used, upgraded, removed, installed again and purged.</summary>
internal sealed class Installation(Machine machine)
{
    private const string Interface = "kedge0";

    /// <param name="deb">The package, in the folder that the machine sees at <c>/mnt</c>.</param>
    public void Live(string deb)
    {
        string file = $"/mnt/{Path.GetFileName(deb)}";
        string[] before = [.. machine.Changes()];

        string said = machine.Run("dpkg", "--install", file).Output;
        Assert.Contains("kedge service install node --join-file FILE", said, StringComparison.Ordinal);
        Assert.Contains("cipher ", machine.Run("kedge", "version", "--verbose").Output, StringComparison.Ordinal);
        Assert.DoesNotContain(machine.Changes(), path => path.EndsWith(".wants/kedge-controller.service", StringComparison.Ordinal));

        using RunningProcess node = JoinOwnController();
        string program = NodeProgram();
        machine.Run("dpkg", "--install", file); // what the maintainer scripts see is an upgrade
        Assert.True(HasInterface);
        Assert.Equal(program, NodeProgram());

        machine.Run("dpkg", "--remove", "kedge");
        Assert.False(HasInterface);
        Assert.Equal("", NodeProgram());
        Assert.False(machine.TryRun("kedge", "version").Succeeded);
        machine.Run("test", "-f", "/etc/kedge/mine.env");
        machine.Run("test", "-d", $"/var/lib/kedge/{Interface}");

        machine.Run("dpkg", "--install", file);
        machine.Run("dpkg", "--purge", "kedge");
        Assert.Equal(before, machine.Changes());
        Assert.False(machine.TryRun("dpkg", "--status", "kedge").Succeeded);
    }

    private bool HasInterface => machine.TryRun("ip", "link", "show", Interface).Succeeded;

    // The controller ends before this returns: a removal does not end what no unit and no state folder tells it of.
    private RunningProcess JoinOwnController()
    {
        using RunningProcess controller = machine.Start("kedge", "controller", "--listen", "127.0.0.1:8443", "--url", "https://127.0.0.1:8443");
        controller.WaitForLine("Ready: nodes join at", Machine.Patience);
        machine.Run("kedge", "login", "--data-dir", "/var/lib/kedge-controller");
        machine.Run("kedge", "token", "create", "--out", "/tmp/node.join");
        machine.Run("sh", "-c", "echo KEDGE_QUEUES=1 > /etc/kedge/mine.env");
        RunningProcess node = machine.Start("kedge", "up", "--interface", Interface, "--join-file", "/tmp/node.join", "--name", "node");
        Wait.Until(() => HasInterface && machine.TryRun("kedge", "status", Interface).Succeeded, Machine.Patience, "the node is up");
        return node;
    }

    // The node process, and nothing where there is none. Its argument is compared whole, by an expression that does not match itself.
    private string NodeProgram() =>
        machine.TryRun("sh", "-c", "grep -zlx -- '--persisten[t]' /proc/[0-9]*/cmdline").Output.Trim();
}
