using Kedge.Demo;

namespace Kedge.SystemTests.Admin;

/// <summary>What bash offers while an administrator types.</summary>
public sealed class ShellCompletionTests(AdministeredController controller) : IClassFixture<AdministeredController>
{
    [Theory]
    [InlineData("kedge zone cr", "create")]
    [InlineData("kedge zone list --js", "--json")]
    [InlineData("kedge completion z", "zsh")]
    [InlineData("kedge demo me", "mesh")]
    [InlineData("kedge rp exchange-", "exchange-config")]
    [InlineData("kedge up --det", "--detach")]
    [InlineData("kedge logs --fol", "--follow")]
    [InlineData("kedge service install c", "controller")]
    [InlineData("kedge service uninstall node --pu", "--purge")]
    public void Commands_and_options_are_completed(string line, string expected) => Assert.Equal([expected], Complete(line));

    [Fact]
    public void Options_are_offered_only_behind_a_hyphen()
    {
        Assert.Equal(["change", "create", "delete", "list", "show"], Complete("kedge zone "));
        Assert.Equal(["exchange", "exchange-config", "genkey", "pubkey", "share"], Complete("kedge rp "));
        Assert.Equal(["--help", "--json", "--login-file"], Complete("kedge zone list -"));
    }

    [Fact]
    public async Task Names_of_zones_and_nodes_are_completed_from_the_controller()
    {
        string zone = await controller.NewZoneAsync();
        string node = await controller.NewNodeAsync(zone);

        Assert.Equal([zone], Complete($"kedge zone show {zone[..10]}"));
        Assert.Equal([zone], Complete($"kedge token create --zone {zone[..10]}"));
        Assert.Equal([zone], Complete($"kedge token create --zone={zone[..10]}"));
        Assert.Equal([node], Complete($"kedge node show --zone {zone} "));
    }

    [Fact]
    public void Without_a_login_or_a_controller_nothing_is_offered_and_nothing_said()
    {
        string none = Path.Combine(controller.Net.TempFolder, "none.json");
        string gone = controller.Net.WriteSecret(
            "gone.json", $$"""{"url": AdministeredController.Nowhere, "pin": "{{controller.Pin}}", "token": "0123456789abcdef.AAAA"}""");

        Assert.Equal([], Complete($"kedge zone show --login-file {none} "));
        Assert.Equal([], Complete($"kedge zone show --login-file {gone} "));
    }

    private string[] Complete(string line)
    {
        string[] words = line.Replace("=", " = ", StringComparison.Ordinal).Split(' '); // bash takes '=' for a word of its own
        string script = controller.Net.WriteSecret(
            AdministeredController.NewName("complete"),
            $"""
            eval "$('{Repository.Program}' completion bash)"
            COMP_WORDS=({string.Join(' ', words.Select(word => $"'{word}'"))})
            COMP_WORDS[0]='{Repository.Program}'
            COMP_CWORD={words.Length - 1}
            COMP_LINE='{Repository.Program}{line["kedge".Length..]}'
            COMP_POINT=${"{#COMP_LINE}"}
            _kedge
            printf '%s\n' "${"{COMPREPLY[@]}"}"

            """);
        Command call = controller.Call();
        CommandResult result = AdministeredController.Run(call with
        {
            Line = ["bash", "--norc", script],
            // The usual patience with a controller is a person's, not that of a machine which has much else to do.
            Environment = new Dictionary<string, string>(call.Environment) { ["KEDGE_COMPLETION_SECONDS"] = "20" },
        });
        Assert.Equal("", result.Error);
        return result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
