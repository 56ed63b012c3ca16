using Kedge.Demo;

namespace Kedge.SystemTests.Packages;

/// <summary>The .deb from its installation to its purge, by dpkg.</summary>
[Collection(nameof(PackageTests))]
public sealed class InstallationTests(BuiltPackages packages)
{
    [Fact]
    public void Installed_it_runs_and_purged_it_leaves_nothing()
    {
        using var net = Topology.Create();
        using var machine = new Machine(net.AddHost("machine"), "/", packages.Folder);

        new Installation(machine).Live(packages.Deb);
    }

    [Fact]
    public void The_tarball_installs_below_a_prefix_and_is_removed_without_a_trace()
    {
        string folder = Path.Combine(packages.TempFolder, "tarball"), prefix = Path.Combine(packages.TempFolder, "prefix");
        Directory.CreateDirectory(folder);
        BuiltPackages.Run("tar", "-xf", packages.Tarball, "-C", folder, "--strip-components=1");
        string install = Path.Combine(folder, "install.sh");

        Directory.CreateDirectory(Path.Combine(prefix, "bin"));
        File.WriteAllText(Path.Combine(prefix, "bin", "other"), "");
        BuiltPackages.Run(install, "--prefix", prefix);
        BuiltPackages.Run(install, "--prefix", prefix); // an upgrade
        Assert.StartsWith("kedge ", BuiltPackages.Run(Path.Combine(prefix, "bin", "kedge"), "version"), StringComparison.Ordinal);

        using (RunningProcess controller = RunningProcess.Start(new Command(
            Path.Combine(prefix, "bin", "kedge"), "controller", "--listen", "127.0.0.1:0", "--data-dir", Path.Combine(packages.TempFolder, "data"))))
        {
            controller.WaitForLine("Ready", Machine.Patience);
            CommandResult refused = RunningProcess.Run(new Command(install, "--uninstall", "--prefix", prefix));
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains($"Kedge is running (process {controller.ProcessId})", refused.Error, StringComparison.Ordinal);
        }
        BuiltPackages.Run(install, "--uninstall", "--prefix", prefix);
        Assert.Equal([Path.Combine(prefix, "bin", "other")], Directory.GetFiles(prefix, "*", SearchOption.AllDirectories));
        Assert.Equal([Path.Combine(prefix, "bin")], Directory.GetDirectories(prefix));
    }

    [Theory]
    [InlineData("'--purge' is not an option", "--purge")]
    [InlineData("'opt' is not an absolute path", "--prefix", "opt")]
    [InlineData("--prefix needs a folder", "--prefix")]
    public void The_tarballs_installer_says_what_is_wrong_with_a_call(string expected, params string[] arguments)
    {
        CommandResult result = RunningProcess.Run(new Command([Repository.PathOf("deploy/packages/tarball/install.sh"), .. arguments]));

        Assert.Equal(2, result.ExitCode);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
    }
}
