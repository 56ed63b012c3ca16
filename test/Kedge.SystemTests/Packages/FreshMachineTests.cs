using Kedge.Demo;

namespace Kedge.SystemTests.Packages;

/// <summary>The .deb on machines that have nothing but a Debian's smallest set of packages, and no .NET.</summary>
[Collection(nameof(PackageTests))]
public sealed class FreshMachineTests(BuiltPackages packages)
{
    [Theory]
    [Trait("Category", "Soak")]
    [InlineData("bookworm")]
    [InlineData("trixie")]
    public void Installed_on_a_fresh_debian_it_runs_and_purged_it_leaves_nothing(string suite)
    {
        using var net = Topology.Create();
        string root = Path.Combine(net.TempFolder, "debian");
        // With what the package depends on and the test calls; the mirror is that of this machine's apt.
        CommandResult made = RunningProcess.Run(new Command(
            "mmdebstrap", "--variant=minbase", "--include=libsqlite3-0,iproute2", suite, root, DebianMirror.Uri)
        {
            Timeout = TimeSpan.FromMinutes(10),
        });
        Assert.True(made.Succeeded, made.Error);
        using var machine = new Machine(net.AddHost("machine"), root, packages.Folder);
        Assert.False(machine.TryRun("dotnet", "--version").Succeeded);

        new Installation(machine).Live(packages.Deb);
    }
}
