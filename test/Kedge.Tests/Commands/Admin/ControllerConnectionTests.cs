using Kedge.Commands.Admin;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Tests.ControlLink;

namespace Kedge.Tests.Commands.Admin;

/// <summary>What an administrator is told when a controller refuses, or something else answers.</summary>
public sealed class ControllerConnectionTests : IDisposable
{
    private readonly TestAuthority _authority = new();

    [Fact]
    public async Task A_problem_is_told_as_the_controller_says_it()
    {
        string answer = TestServer.Answer(
            "409 Conflict", "application/problem+json", """{"title": "Conflict", "status": 409, "detail": "There is a zone 'lab' already.", "errors": []}""");

        Assert.Equal("There is a zone 'lab' already.", await RefusalAsync(answer));
    }

    [Fact]
    public async Task An_unknown_token_is_told_with_what_to_do_about_it()
    {
        string error = await RefusalAsync(TestServer.Answer("401 Unauthorized", "application/problem+json", "{}"));

        Assert.Contains("does not accept this login", error, StringComparison.Ordinal);
        Assert.Contains("kedge login", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("404 Not Found", "text/html", "<html></html>")]
    [InlineData("302 Found", "text/html", "")]
    [InlineData("500 Internal Server Error", "application/problem+json", "{")]
    public async Task An_answer_that_no_controller_gives_makes_one_check_the_address(string status, string mediaType, string body) =>
        Assert.Contains("not as a controller does", await RefusalAsync(TestServer.Answer(status, mediaType, body)), StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[null]")]
    [InlineData("""[{"id": 7}]""")]
    [InlineData("<html>")]
    public async Task An_answer_that_is_not_understood_is_told_as_such(string body) =>
        Assert.Contains("is not understood", await RefusalAsync(TestServer.Answer("200 OK", "application/json", body)), StringComparison.Ordinal);

    [Fact]
    public async Task What_is_no_HTTPS_is_told_as_such() =>
        Assert.Contains("does not speak HTTPS", await RefusalAsync("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"), StringComparison.Ordinal);

    [Fact]
    public async Task The_token_goes_with_every_request_as_a_bearer()
    {
        using var certificate = _authority.Certify();
        using var server = new TestServer(certificate, _authority.Certificate, TestServer.Answer("200 OK", "application/json", "[]"));
        using var controller = new AdminClient(new Login(server.Url, _authority.Pin, "id.secret"));

        Assert.Empty(await controller.ListZonesAsync());

        Assert.StartsWith("GET /api/v1/zones HTTP/1.1\r\n", server.Asked.ToString(), StringComparison.Ordinal);
        Assert.Contains("Authorization: Bearer id.secret\r\n", server.Asked.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_not_pinned_never_sees_the_token()
    {
        using var other = new TestAuthority();
        using var certificate = other.Certify();
        using var server = new TestServer(certificate, other.Certificate);
        using var controller = new AdminClient(new Login(server.Url, _authority.Pin, "id.secret"));

        UserError error = await Assert.ThrowsAsync<UserError>(controller.ListZonesAsync);

        Assert.Contains("was reached, but is not trusted", error.Message, StringComparison.Ordinal);
        Assert.Equal("", server.Asked.ToString());
    }

    [Fact]
    public async Task A_server_that_stays_silent_is_given_up_with_what_to_check()
    {
        using var certificate = _authority.Certify();
        using var server = new TestServer(certificate, _authority.Certificate, answer: "");
        using var controller = new AdminClient(new Login(server.Url, _authority.Pin, "id.secret"), TimeSpan.FromMilliseconds(300));

        UserError error = await Assert.ThrowsAsync<UserError>(controller.ListZonesAsync);

        Assert.Contains("has not answered", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_fault_is_a_sentence() => Assert.Equal(
        "'x' is no name.", ControllerConnection.Explain(new Problem { Detail = "'x' is no name.", Errors = [new("name", "'x' is no name.")] }));

    [Fact]
    public void Several_faults_are_all_told_each_with_what_it_is_about() => Assert.Equal(
        "The controller refuses:\n  name: 'x' is no name.\n  prefixes[0]: 'y' is no prefix.",
        ControllerConnection.Explain(new Problem
        {
            Detail = "'x' is no name. 'y' is no prefix.",
            Errors = [new("name", "'x' is no name."), new("prefixes[0]", "'y' is no prefix.")],
        }));

    [Fact]
    public void A_fault_that_the_detail_does_not_tell_is_added_to_it() => Assert.Equal(
        "The body is wrong.\n  name: This is null.",
        ControllerConnection.Explain(new Problem { Detail = "The body is wrong.", Errors = [new("name", "This is null.")] }));

    [Fact]
    public void What_a_controller_says_cannot_move_the_terminals_cursor() =>
        Assert.DoesNotContain('\e', ControllerConnection.Explain(new Problem { Detail = "\e[2J", Errors = [new("\e", "\e[1A")] }));

    public void Dispose() => _authority.Dispose();

    private async Task<string> RefusalAsync(string answer)
    {
        using var certificate = _authority.Certify();
        using var server = new TestServer(certificate, _authority.Certificate, answer);
        using var controller = new AdminClient(new Login(server.Url, _authority.Pin, "id.secret"));
        return (await Assert.ThrowsAsync<UserError>(controller.ListZonesAsync)).Message;
    }
}
