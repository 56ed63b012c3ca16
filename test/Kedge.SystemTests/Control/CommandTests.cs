using System.Net;
using Kedge.Demo;
using Kedge.Protocol.Api;

namespace Kedge.SystemTests.Control;

/// <summary><c>kedge controller</c> as a person runs it.</summary>
public sealed class CommandTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Topology _net = Topology.Create(); // for its folder alone

    private string Data => Path.Combine(_net.TempFolder, "controller");

    public void Dispose() => _net.Dispose();

    [Fact]
    public void The_first_start_makes_everything_and_a_second_finds_it()
    {
        string line, token;
        using (ControllerProcess first = ControllerProcess.Start(_net))
        {
            line = first.Process.WaitForLine("join line  ", ControllerProcess.Patience);
            token = first.AdministratorToken;
            Assert.DoesNotContain(token, first.Process.Output + first.Process.Error, StringComparison.Ordinal); // no terminal is there to show it on
            Assert.Contains("administrator.token", first.Process.Output, StringComparison.Ordinal);
            Assert.Equal(0, first.Process.Stop().ExitCode);
        }
        Assert.All(
            Directory.EnumerateFiles(Data, "*", SearchOption.AllDirectories), file => Assert.True(File.GetUnixFileMode(file) == OwnerOnly, file));
        Assert.All(
            Directory.EnumerateDirectories(Data).Append(Data), folder => Assert.Equal(OwnerOnly | UnixFileMode.UserExecute, File.GetUnixFileMode(folder)));

        using ControllerProcess second = ControllerProcess.Start(_net);

        Assert.Equal(token, second.AdministratorToken);
        Assert.Equal(WithoutPort(line), WithoutPort(second.Process.WaitForLine("join line  ", ControllerProcess.Patience)));
        Assert.DoesNotContain("administrator.token", second.Process.Output, StringComparison.Ordinal);

        static string WithoutPort(string text) => text[text.IndexOf('?', StringComparison.Ordinal)..];
    }

    [Fact]
    public async Task A_lost_administrator_token_is_replaced_while_the_controller_runs_and_while_it_does_not()
    {
        string first, second;
        using (ControllerProcess controller = ControllerProcess.Start(_net))
        {
            first = controller.AdministratorToken;
            CommandResult replaced = Run(["controller", "admin-token", "--data-dir", Data]);
            Assert.Equal(0, replaced.ExitCode);
            second = File.ReadAllText(Path.Combine(Data, "administrator.token")).Trim();
            Assert.DoesNotContain(second, replaced.Output + replaced.Error, StringComparison.Ordinal);
            using HttpClient before = controller.CreateClient(first), after = controller.CreateClient(second);
            Assert.Equal(HttpStatusCode.Unauthorized, (await before.CallAsync(HttpMethod.Get, "/api/v1/zones")).StatusCode);
            Assert.Equal(HttpStatusCode.OK, (await after.CallAsync(HttpMethod.Get, "/api/v1/zones")).StatusCode);
        }
        Assert.Equal(0, Run(["controller", "admin-token", "--data-dir", Data]).ExitCode);

        using ControllerProcess again = ControllerProcess.Start(_net);
        using HttpClient administrator = again.CreateAdministrator();
        Assert.NotEqual(second, again.AdministratorToken);
        Assert.Equal(HttpStatusCode.OK, (await administrator.CallAsync(HttpMethod.Get, "/api/v1/zones")).StatusCode);
    }

    [Fact]
    public async Task A_backup_made_while_the_controller_runs_brings_everything_back_under_another_store_name()
    {
        string backup = Path.Combine(_net.TempFolder, "backup.tar");
        NetworkDescription before;
        using (ControllerProcess controller = ControllerProcess.Start(_net))
        {
            using HttpClient administrator = controller.CreateAdministrator();
            await administrator.ReadAsync<Zone>(HttpMethod.Post, "/api/v1/zones", new ZoneCreation { Name = "kept", Prefixes = ["10.1.0.0/16"] });
            Assert.Equal(0, Run(["controller", "backup", backup, "--data-dir", Data]).ExitCode);
            Assert.Equal(OwnerOnly, File.GetUnixFileMode(backup));
            Assert.False(File.Exists(backup + ".store"));
            await administrator.ReadAsync<Zone>(HttpMethod.Post, "/api/v1/zones", new ZoneCreation { Name = "later", Prefixes = ["10.2.0.0/16"] });
            before = await administrator.ReadAsync<NetworkDescription>(HttpMethod.Get, "/api/v1/network");
            CommandResult refused = Run(["controller", "restore", backup, "--data-dir", Data]);
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains("in use", refused.Error, StringComparison.Ordinal);
            Assert.Equal(1, Run(["controller", "backup", backup, "--data-dir", Data]).ExitCode); // never over another
        }
        Assert.Equal(0, Run(["controller", "restore", backup, "--data-dir", Data]).ExitCode);

        using (ControllerProcess restored = ControllerProcess.Start(_net))
        {
            using HttpClient administrator = restored.CreateAdministrator();
            NetworkDescription after = await administrator.ReadAsync<NetworkDescription>(HttpMethod.Get, "/api/v1/network");
            Assert.Equal((before.Id, before.ServerPin), (after.Id, after.ServerPin));
            Assert.NotEqual(before.StoreId, after.StoreId);
            IReadOnlyList<Zone> zones = await administrator.ReadAsync<IReadOnlyList<Zone>>(HttpMethod.Get, "/api/v1/zones");
            Assert.Equal(["default", "kept"], zones.Select(zone => zone.Name));
        }

        Directory.Delete(Data, recursive: true);
        Assert.Equal(0, Run(["controller", "restore", backup, "--data-dir", Data]).ExitCode); // on another machine
        using ControllerProcess elsewhere = ControllerProcess.Start(_net);
        Assert.Contains(before.Id, elsewhere.Process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_backup_goes_where_it_is_told_be_it_a_pipe_and_says_so_elsewhere()
    {
        using ControllerProcess controller = ControllerProcess.Start(_net);

        CommandResult piped = Run(["controller", "backup", "/dev/stdout", "--data-dir", Data], "| tar --list --file -");

        Assert.Equal(0, piped.ExitCode);
        Assert.Contains("store.db\n", piped.Output, StringComparison.Ordinal);
        Assert.Contains("keys/server-ca.key\n", piped.Output, StringComparison.Ordinal);
        Assert.Contains("Written to", piped.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_backup_that_does_not_fit_is_not_left_in_halves()
    {
        using ControllerProcess controller = ControllerProcess.Start(_net);
        const string Script = """mount -t tmpfs -o size=16k tmpfs /mnt && "$@"; code=$?; ls -A /mnt; exit $code""";

        CommandResult full = RunProgram(new Command(
            ["unshare", "--mount", "sh", "-c", Script, "sh", Repository.Program, "controller", "backup", "/mnt/net.tar", "--data-dir", Data]));

        Assert.Equal((1, ""), (full.ExitCode, full.Output));
        Assert.Contains("No space left on device", full.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_backup_is_refused_and_changes_nothing()
    {
        using (ControllerProcess.Start(_net))
        {
        }
        string file = Path.Combine(_net.TempFolder, "nothing");
        File.WriteAllText(file, new string('x', 2000));

        CommandResult refused = Run(["controller", "restore", file, "--data-dir", Data]);

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains(file, refused.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("defect", refused.Error, StringComparison.Ordinal);
        using ControllerProcess untouched = ControllerProcess.Start(_net);
    }

    [Fact]
    public void Two_controllers_do_not_share_a_folder_or_a_port()
    {
        using ControllerProcess controller = ControllerProcess.Start(_net);

        CommandResult sameFolder = RunProgram(ControllerProcess.Call(Data));
        CommandResult samePort = Run(["controller", "--data-dir", Path.Combine(_net.TempFolder, "other"), "--listen", $"127.0.0.1:{controller.Url.Port}"]);

        Assert.Equal((1, 1), (sameFolder.ExitCode, samePort.ExitCode));
        Assert.Contains(Data, sameFolder.Error, StringComparison.Ordinal);
        Assert.Contains("--listen", samePort.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("defect", sameFolder.Error + samePort.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("'0.0.0.0'", "--listen", "0.0.0.0")]
    [InlineData("--url https://NAME:PORT", "--listen", "0.0.0.0:8443")]
    [InlineData("'http://control.example'", "--url", "http://control.example")]
    [InlineData("without a path", "--url", "https://control.example/path")]
    public void A_call_that_is_wrong_is_explained(string words, params string[] options)
    {
        CommandResult result = Run(["controller", "--data-dir", Data, .. options]);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains(words, result.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Data));
    }

    [Fact]
    public void The_commands_that_need_a_store_say_where_they_looked()
    {
        foreach (string[] call in new[] { new[] { "admin-token" }, ["backup", Path.Combine(_net.TempFolder, "b")] })
        {
            CommandResult result = Run(["controller", .. call, "--data-dir", Data]);
            Assert.Equal(1, result.ExitCode);
            Assert.Contains(Data, result.Error, StringComparison.Ordinal);
        }
        Assert.False(File.Exists(Path.Combine(_net.TempFolder, "b")));
    }

    private static CommandResult Run(string[] arguments, string into) =>
        RunProgram(new Command(["bash", "-c", $"set -o pipefail; \"$@\" {into}", "bash", Repository.Program, .. arguments]));

    private static CommandResult Run(string[] arguments) => RunProgram(new Command([Repository.Program, .. arguments]));

    private static CommandResult RunProgram(Command command)
    {
        using RunningProcess process = RunningProcess.Start(command);
        return process.WaitForExit(ControllerProcess.Patience);
    }
}
