using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Admin;

/// <summary>Whom an administrator's program believes, what it keeps, and what it says where it does not get through.</summary>
public sealed class LoginTests(AdministeredController controller) : IClassFixture<AdministeredController>
{
    private readonly string _file = Path.Combine(controller.Net.TempFolder, AdministeredController.NewName("login"));

    private string Token => File.ReadAllText(controller.TokenFile).Trim();

    [Fact]
    public void A_login_is_kept_in_a_file_that_only_its_owner_can_read()
    {
        CommandResult result = Login("--token-file", controller.TokenFile);

        Assert.Equal(0, result.ExitCode);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_file));
        using var stored = JsonDocument.Parse(File.ReadAllText(_file));
        Assert.Equal(Token, stored.RootElement.GetProperty("token").GetString());
        Assert.DoesNotContain(Token, result.Output + result.Error, StringComparison.Ordinal);
        controller.Run("zone", "list", "--login-file", _file);
    }

    [Fact]
    public void The_folder_of_the_usual_login_is_its_owners_alone() => Assert.Equal(
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
        File.GetUnixFileMode(Path.GetDirectoryName(controller.LoginFile)!));

    [Fact]
    public void A_token_is_read_from_standard_input()
    {
        Command call = controller.Call("login", controller.Url, "--pin", controller.Pin, "--login-file", _file);

        AdministeredController.Run(call with { Input = Token + "\n" });

        controller.Run("zone", "list", "--login-file", _file);
    }

    [Fact]
    public void A_token_that_is_typed_on_a_terminal_is_not_shown()
    {
        Command call = controller.Call("login", controller.Url, "--pin", controller.Pin, "--login-file", _file);
        string line = string.Join(' ', call.Line);

        CommandResult result = AdministeredController.Run(
            call with { Line = ["script", "--quiet", "--return", "--command", line, "/dev/null"], Input = Token + "\r" });

        // What comes in before the program has taken over the terminal, the terminal itself shows; what the program prints has no token.
        Assert.Contains("Administrator's token (it is not shown): ", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(Token, result.Output[result.Output.IndexOf("Administrator's token", StringComparison.Ordinal)..], StringComparison.Ordinal);
        controller.Run("zone", "list", "--login-file", _file);
    }

    [Fact]
    public void A_server_with_another_authority_is_refused_before_it_gets_the_token()
    {
        string error = controller.Refusal(
            1, "login", controller.Url, "--pin", new string('A', 43), "--token-file", controller.TokenFile, "--login-file", _file);

        Assert.Contains("not the one that is pinned", error, StringComparison.Ordinal);
        Assert.False(File.Exists(_file));
    }

    [Fact]
    public void A_wrong_token_is_refused_and_nothing_is_kept()
    {
        string wrong = controller.Net.WriteSecret("wrong", $"{Token[..20]}AAAA\n");

        string error = controller.Refusal(
            1, "login", controller.Url, "--pin", controller.Pin, "--token-file", wrong, "--login-file", _file);

        Assert.Contains("does not accept this login", error, StringComparison.Ordinal);
        Assert.DoesNotContain(File.ReadAllText(wrong).Trim(), error, StringComparison.Ordinal);
        Assert.False(File.Exists(_file));
    }

    [Fact]
    public void A_token_that_was_replaced_no_longer_lets_in_and_the_new_one_does()
    {
        using var other = new AdministeredController();
        other.Run("controller", "admin-token", "--data-dir", other.DataDirectory);

        string error = other.Refusal(1, "zone", "list");

        Assert.Contains("was replaced since", error, StringComparison.Ordinal);
        Assert.Contains("kedge login", error, StringComparison.Ordinal);
        other.Run("login", "--data-dir", other.DataDirectory);
        other.Run("zone", "list");
    }

    [Fact]
    public void Where_nobody_listens_the_error_names_the_address_and_what_to_check()
    {
        string error = controller.Refusal(
            1, "login", AdministeredController.Nowhere,
            "--pin", controller.Pin, "--token-file", controller.TokenFile, "--login-file", _file);

        Assert.Contains($"{AdministeredController.Nowhere} refuses connections", error, StringComparison.Ordinal);
        Assert.Contains("Check the port", error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_address_that_is_not_in_the_certificate_will_do_because_the_pin_counts()
    {
        Host host = controller.Net.AddHost("anywhere");
        string data = Path.Combine(controller.Net.TempFolder, "anywhere");
        using RunningProcess other = host.Start(controller.Call(
            "controller", "--listen", "0.0.0.0:8445", "--url", "https://control.example:8445", "--data-dir", data));
        other.WaitForLine("Ready", Wg.KedgeProgram.Patience);
        string[] login = ["--data-dir", data, "--login-file", _file];

        host.Run(controller.Call(["login", "https://127.0.0.2:8445", .. login]));

        string error = AdministeredController.Refusal(
            1,
            host.TryRun(controller.Call(
                "login", "https://127.0.0.2:8445", "--pin", controller.Pin, "--token-file", controller.TokenFile, "--login-file", _file)));
        Assert.Contains("not the one that is pinned", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_login_every_command_says_how_to_log_in()
    {
        string[][] calls = [["zone", "list"], ["node", "list"], ["token", "list"], ["lease", "list"], ["audit"], ["token", "create"]];
        Assert.All(calls, call =>
        {
            string error = controller.Refusal(1, [.. call, "--login-file", _file]);
            Assert.Contains($"There is no login in {_file}", error, StringComparison.Ordinal);
            Assert.Contains("kedge login", error, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void A_login_file_that_others_can_read_is_refused_with_the_command_that_mends_it()
    {
        Login("--token-file", controller.TokenFile);
        File.SetUnixFileMode(_file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);

        Assert.Contains($"chmod 600 {_file}", controller.Refusal(1, "zone", "list", "--login-file", _file), StringComparison.Ordinal);
    }

    [Fact]
    public void Logging_out_forgets_the_login()
    {
        Login("--token-file", controller.TokenFile);

        Assert.Equal("Logged out.\n", controller.Run("logout", "--login-file", _file).Output);

        Assert.False(File.Exists(_file));
        Assert.Equal("There was no login.\n", controller.Run("logout", "--login-file", _file).Output);
    }

    [Theory]
    [InlineData("https")]
    [InlineData("http://127.0.0.1:8443")]
    [InlineData("https://127.0.0.1:8443/path")]
    [InlineData("https://user@127.0.0.1:8443")]
    [InlineData("")]
    public void What_is_no_address_of_a_controller_is_a_wrong_call(string url) =>
        Assert.Contains($"'{url}'", controller.Refusal(2, "login", url, "--pin", controller.Pin), StringComparison.Ordinal);

    [Fact]
    public void A_login_without_pin_is_a_wrong_call() =>
        Assert.Contains("--pin is missing", controller.Refusal(2, "login", controller.Url), StringComparison.Ordinal);

    private CommandResult Login(params string[] options) =>
        controller.Run(["login", controller.Url, "--pin", controller.Pin, "--login-file", _file, .. options]);
}
