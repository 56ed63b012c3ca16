using System.Text.Json;
using Kedge.Demo;
using Kedge.Protocol.Enrolment;

namespace Kedge.SystemTests.Admin;

/// <summary>Tokens: shown once, to whom asked for them, and never again.</summary>
public sealed class TokenTests(AdministeredController controller) : IClassFixture<AdministeredController>
{
    [Fact]
    public void A_new_token_is_printed_as_a_join_line_alone()
    {
        CommandResult result = controller.Run("token", "create");

        JoinLine line = JoinLine.Parse(result.Output);
        Assert.Equal(controller.Url, line.Url);
        Assert.Equal(controller.Pin, line.Pin.ToString());
        Assert.NotNull(line.Token);
        Assert.Single(result.Output.Trim().Split('\n'));
        Assert.Contains("kedge up", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(line.Token, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_join_line_goes_to_a_file_that_only_its_owner_can_read_and_nowhere_else()
    {
        string path = Path.Combine(controller.Net.TempFolder, AdministeredController.NewName("join"));

        CommandResult result = controller.Run("token", "create", "--out", path);

        Assert.Equal("", result.Output);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        JoinLine line = JoinLine.Parse(File.ReadAllText(path));
        Assert.DoesNotContain(line.Token!, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_there_is_not_replaced_and_no_token_is_made_for_it()
    {
        string path = controller.Net.WriteSecret(AdministeredController.NewName("join"), "mine");
        int before = controller.Json("token", "list", "--all").GetArrayLength();

        Assert.Contains("exists already", controller.Refusal(1, "token", "create", "--out", path), StringComparison.Ordinal);

        Assert.Equal("mine", File.ReadAllText(path));
        Assert.Equal(before, controller.Json("token", "list", "--all").GetArrayLength());
    }

    [Fact]
    public async Task What_is_asked_for_is_what_is_made_and_the_secret_is_never_listed()
    {
        string zone = await controller.NewZoneAsync();

        JsonElement created = controller.Json(
            "token", "create", "--zone", zone, "--ttl", "2d", "--reusable", "--ephemeral", "--tag", "web", "--allow-prefix", "192.168.0.0/16",
            "--description", "For the shop");

        string secret = created.GetProperty("secret").GetString()!;
        JsonElement token = created.GetProperty("token");
        Assert.Equal(0, token.GetProperty("maxUses").GetInt32());
        Assert.True(token.GetProperty("ephemeral").GetBoolean());
        Assert.Equal(
            TimeSpan.FromDays(2), token.GetProperty("expiresAt").GetDateTimeOffset() - token.GetProperty("createdAt").GetDateTimeOffset());
        string id = token.GetProperty("id").GetString()!;
        CommandResult table = controller.Run("token", "list", "--zone", zone);
        Assert.Matches($"(?m)^{id} +{zone} +usable +in (2 days|48 h) +0 +yes +web +192.168.0.0/16 +For the shop$", table.Output);
        CommandResult json = controller.Run("token", "list", "--all", "--json");
        string[] parts = [secret, secret[(secret.IndexOf('.', StringComparison.Ordinal) + 1)..]];
        Assert.All(parts, part => Assert.DoesNotContain(part, table.Output + table.Error + json.Output + json.Error, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_revoked_token_is_listed_only_among_all()
    {
        string zone = await controller.NewZoneAsync();
        string id = controller.Json("token", "create", "--zone", zone).GetProperty("token").GetProperty("id").GetString()!;

        controller.Run("token", "revoke", id);

        Assert.Equal("There is no token. Create one: kedge token create\n", controller.Run("token", "list", "--zone", zone).Output);
        Assert.Contains("revoked", controller.Run("token", "list", "--zone", zone, "--all").Output, StringComparison.Ordinal);
        Assert.Contains("no token", controller.Refusal(1, "token", "revoke", "0123456789abcdef"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_whole_token_in_place_of_its_identifier_is_refused_without_repeating_it()
    {
        string error = controller.Refusal(2, "token", "revoke", "0123456789abcdef.S3cr3t");

        Assert.DoesNotContain("S3cr3t", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("59s")]
    [InlineData("366d")]
    [InlineData("1")]
    [InlineData("-1h")]
    [InlineData("1w")]
    public void A_time_that_no_token_lives_is_a_wrong_call(string time) =>
        Assert.Contains($"'{time}'", controller.Refusal(2, "token", "create", $"--ttl={time}"), StringComparison.Ordinal);
}
