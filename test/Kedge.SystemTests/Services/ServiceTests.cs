using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Services;

/// <summary><c>kedge service</c> on a root folder that is not running, with the distribution's systemctl.</summary>
public sealed class ServiceTests : IDisposable
{
    private const string JoinLine =
        "kedge:https://controller.example:8443?network=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
        + "&pin=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU&token=0123456789abcdef.SECRET";

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Topology _net = Topology.Create(); // for its folder alone
    private readonly string _root;

    public ServiceTests()
    {
        // As an archive's install script would leave it.
        _root = Path.Combine(_net.TempFolder, "root");
        Directory.CreateDirectory(PathOf("/usr/local/bin"));
        Repository.CopyProgram(Repository.Program, Program);
    }

    private string Program => PathOf("/usr/local/bin/kedge");

    public void Dispose() => _net.Dispose();

    [Fact]
    public void A_node_is_installed_and_uninstalled_and_nothing_is_left()
    {
        string join = _net.WriteSecret("kedge0.join", JoinLine);

        Run("install", "node", "--join-file", join, "--name", "alpha", "--mtu", "1380");

        Assert.Equal("enabled", Systemctl("is-enabled", "kedge-node@kedge0.service"));
        Assert.Equal("enabled", Systemctl("is-enabled", "kedge-link@kedge0.service"));
        Assert.Equal(Private, File.GetUnixFileMode(PathOf("/etc/kedge/kedge0.env")));
        Assert.Equal(Private, File.GetUnixFileMode(PathOf("/etc/kedge/kedge0.join")));
        Assert.Contains(JoinLine, File.ReadAllLines(PathOf("/etc/kedge/kedge0.join")));
        string[] settings = File.ReadAllLines(PathOf("/etc/kedge/kedge0.env"));
        Assert.Contains("KEDGE_NAME=alpha", settings);
        Assert.Contains("KEDGE_MTU=1380", settings);

        Run("install", "node", "--mtu", "1280");
        settings = File.ReadAllLines(PathOf("/etc/kedge/kedge0.env"));
        Assert.Contains("KEDGE_NAME=alpha", settings);
        Assert.Contains("KEDGE_MTU=1280", settings);
        Assert.DoesNotContain("KEDGE_MTU=1380", settings);

        Run("uninstall", "node");
        AssertOnlyTheProgramIsLeft();
        Assert.Equal(1, Try("uninstall", "node").ExitCode);
    }

    [Fact]
    public void Two_nodes_share_their_units_which_stay_as_long_as_one_is_left()
    {
        string join = _net.WriteSecret("any.join", JoinLine);
        Run("install", "node", "--join-file", join);
        Run("install", "node", "--interface", "office", "--join-file", join);

        Run("uninstall", "node");

        Assert.Equal("enabled", Systemctl("is-enabled", "kedge-node@office.service"));
        JsonElement status = JsonDocument.Parse(Run("status", "--json").Output).RootElement;
        JsonElement service = Assert.Single(status.EnumerateArray());
        Assert.Equal(("node", "office"), (service.GetProperty("service").GetString(), service.GetProperty("interface").GetString()));
        Assert.True(service.GetProperty("enabled").GetBoolean());
        Assert.False(service.GetProperty("running").GetBoolean());

        Run("uninstall", "node", "--interface", "office");
        AssertOnlyTheProgramIsLeft();
    }

    [Fact]
    public void A_controller_is_installed_with_its_master_and_systemd_finds_nothing_wrong_with_the_units()
    {
        string master = Path.Combine(_net.TempFolder, "master");
        Assert.True(RunningProcess.Run(new Command(Repository.Program, "ca", "init", master)).Succeeded);
        string certificate = Directory.GetFiles(master, "*.pem")
            .Single(path => File.ReadAllText(path).StartsWith("-----BEGIN CERTIFICATE", StringComparison.Ordinal));

        Run(
            "install", "controller", "--listen", "0.0.0.0:8443", "--listen", "[::]:8443", "--url", "https://controller.example:8443",
            "--locked", certificate);
        Run("install", "node", "--join-file", _net.WriteSecret("kedge0.join", JoinLine));

        string[] settings = File.ReadAllLines(PathOf("/etc/kedge/controller.env"));
        Assert.Contains("KEDGE_CONTROLLER_LISTEN=0.0.0.0:8443,[::]:8443", settings);
        Assert.Contains("KEDGE_CONTROLLER_URL=https://controller.example:8443", settings);
        CommandResult verify = RunningProcess.Run(new Command(
            "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", $"--root={_root}",
            "kedge-controller.service", "kedge-node@kedge0.service", "kedge-link@kedge0.service"));
        Assert.Equal((0, ""), (verify.ExitCode, verify.Error + verify.Output));

        Run("uninstall", "controller");
        Run("uninstall", "node");
        AssertOnlyTheProgramIsLeft();
    }

    [Fact]
    public void The_units_of_a_package_are_used_where_they_are()
    {
        Directory.CreateDirectory(PathOf("/usr/lib/systemd/system"));
        foreach (string unit in Directory.GetFiles(Repository.PathOf("deploy/systemd")))
            File.Copy(unit, PathOf("/usr/lib/systemd/system/" + Path.GetFileName(unit)));

        Run("install", "node", "--join-file", _net.WriteSecret("kedge0.join", JoinLine));

        Assert.Equal("enabled", Systemctl("is-enabled", "kedge-node@kedge0.service"));
        Assert.Empty(Directory.GetFiles(PathOf("/etc/systemd/system")));
        Run("uninstall", "node");
        Assert.Equal(3, Directory.GetFiles(PathOf("/usr/lib/systemd/system")).Length);
    }

    [Fact]
    public void What_an_administrator_has_written_is_neither_replaced_nor_removed()
    {
        string settings = PathOf("/etc/kedge/kedge0.env"), unit = PathOf("/etc/systemd/system/kedge-node@.service");
        Run("install", "node", "--join-file", _net.WriteSecret("kedge0.join", JoinLine), "--name", "alpha");
        File.AppendAllText(settings, "KEDGE_LOG_LEVEL=verbose\n");
        string before = File.ReadAllText(settings);

        CommandResult refused = Try("install", "node", "--mtu", "1280");

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains(settings, refused.Error, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(settings));
        Run("install", "node"); // which changes no setting
        File.AppendAllText(unit, "# mine\n");
        CommandResult uninstall = Run("uninstall", "node");
        Assert.Contains(settings + " stays", uninstall.Error, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(settings));
        Assert.True(File.Exists(unit));

        Run("uninstall", "node", "--purge");
        Assert.False(File.Exists(settings));
    }

    [Fact]
    public void Nothing_is_made_of_a_call_that_is_wrong()
    {
        CommandResult noLine = Try("install", "node");
        CommandResult wrongLine = Try("install", "node", "--join-file", _net.WriteSecret("wrong", "https://controller.example"));
        CommandResult everywhere = Try("install", "controller", "--listen", "0.0.0.0:8443");

        Assert.Equal((1, 1, 2), (noLine.ExitCode, wrongLine.ExitCode, everywhere.ExitCode));
        Assert.Contains("--join-file", noLine.Error, StringComparison.Ordinal);
        AssertOnlyTheProgramIsLeft();
    }

    [Fact]
    public void Without_systemd_the_error_says_what_there_is_instead()
    {
        // sd_booted(3) looks into /run.
        CommandResult result = RunningProcess.Run(new Command(
            "unshare", "--mount", "bash", "-c", $"mount -t tmpfs none /run && exec '{Repository.Program}' service status"));

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("'kedge up --detach'", result.Error, StringComparison.Ordinal);
    }

    private string PathOf(string path) => _root + path;

    private CommandResult Try(params string[] arguments) =>
        RunningProcess.Run(new Command([Program, "service", .. arguments, "--root", _root]));

    private CommandResult Run(params string[] arguments)
    {
        CommandResult result = Try(arguments);
        Assert.True(result.Succeeded, result.Error + result.Output);
        return result;
    }

    private string Systemctl(params string[] arguments) =>
        RunningProcess.Run(new Command(["systemctl", $"--root={_root}", .. arguments])).Output.Trim();

    private void AssertOnlyTheProgramIsLeft() => Assert.Equal([Program], Directory.GetFiles(_root, "*", SearchOption.AllDirectories));
}
