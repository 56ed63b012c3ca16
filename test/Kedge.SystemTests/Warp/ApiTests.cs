using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Warp;

/// <summary>A listener's API: who may call it, and what it answers.</summary>
public sealed class ApiTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly List<WarpLab> _labs = [];

    public void Dispose() => _labs.ForEach(lab => lab.Dispose());

    [Fact]
    public async Task Every_route_wants_the_token()
    {
        WarpLab lab = Create();
        (HttpMethod Method, string Path)[] routes =
        [
            (HttpMethod.Post, "open"), (HttpMethod.Get, "list"), (HttpMethod.Delete, "close"), (HttpMethod.Get, "api/v1/warps"),
            (HttpMethod.Post, "api/v1/warps"), (HttpMethod.Delete, "api/v1/warps/1"), (HttpMethod.Get, "elsewhere"), (HttpMethod.Get, "api/v1/elsewhere"),
        ];
        foreach (string? token in (string?[])[null, "wrong", lab.Token + "0", lab.Token[1..], ""])
        {
            HttpClient client = lab.CreateClient(null);
            foreach ((HttpMethod method, string path) in routes)
            {
                using var request = new HttpRequestMessage(method, path) { Content = Json("""{"uid":"dev1","port":0}""") };
                if (token is not null)
                    request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {token}");
                using HttpResponseMessage answer = await client.CallAsync(request);
                Assert.True(answer.StatusCode == HttpStatusCode.Unauthorized, $"{method} {path} with '{token}': {answer.StatusCode}");
                Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.ToString());
            }
        }
        Assert.DoesNotContain(lab.Token, lab.Listener.Output + lab.Listener.Error, StringComparison.Ordinal);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(lab.StateDirectory, "api-token")));
    }

    [Fact]
    public async Task The_routes_of_socket_warp_answer_as_there()
    {
        WarpLab lab = Create();
        HttpClient client = lab.CreateClient(lab.Token);
        lab.Connect("dev1");
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int free = FreePort(), inUse = ((IPEndPoint)taken.LocalEndpoint).Port;

        Assert.Equal((200, "TcpListener created successfully!"), await Call(HttpMethod.Post, "open", Opening("dev1", free)));
        Assert.Equal(
            (500, "Failed to create TcpListener: Address already in use (os error 98)"), await Call(HttpMethod.Post, "open", Opening("dev1", free)));
        Assert.Equal(
            (500, "Failed to create TcpListener: Address already in use (os error 98)"), await Call(HttpMethod.Post, "open", Opening("dev1", inUse)));
        Assert.Equal((500, "No QUIC connection exists for the specified UID."), await Call(HttpMethod.Post, "open", Opening("dev9", FreePort())));
        Assert.Equal(
            (200, $$"""[{"connect_address":"127.0.0.1","connect_port":22,"port":{{Text(free)}},"uid":"dev1"}]"""), await Call(HttpMethod.Get, "list", null));
        Assert.Equal((404, "Task 1 not found"), await Call(HttpMethod.Delete, "close", """{"port":1}"""));
        Assert.Equal((200, $"Task {Text(free)} canceled"), await Call(HttpMethod.Delete, "close", $$"""{"port":{{Text(free)}},"more":true}"""));
        Assert.Equal((200, "[]"), await Call(HttpMethod.Get, "list", null));
        foreach (string bad in (string[])["", "{", "null", "[]", """{"uid":"dev1"}""", """{"uid":"dev1","port":99999,"connect_address":"a","connect_port":1}"""])
        {
            (int status, string text) = await Call(HttpMethod.Post, "open", bad);
            Assert.Equal(400, status);
            Assert.StartsWith("Json deserialize error: ", text, StringComparison.Ordinal);
        }
        Assert.Equal((400, "Content type error"), await Call(HttpMethod.Post, "open", Opening("dev1", free), "text/plain"));
        Assert.Equal((404, ""), await Call(HttpMethod.Get, "open", null));
        Assert.Equal((404, ""), await Call(HttpMethod.Get, "elsewhere", null));

        async Task<(int Status, string Text)> Call(HttpMethod method, string path, string? body, string type = "application/json")
        {
            using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : Json(body, type) };
            using HttpResponseMessage answer = await client.CallAsync(request);
            return ((int)answer.StatusCode, await answer.TextAsync());
        }
    }

    [Fact]
    public async Task Own_routes_refuse_with_a_problem_that_names_what_is_wrong()
    {
        WarpLab lab = Create();
        HttpClient client = lab.CreateClient(lab.Token);
        lab.Connect("dev1");
        (string Body, int Status, string Part)[] cases =
        [
            ("{", 400, "The body is not what this route takes"),
            ("null", 400, "The body is null"),
            ("""{"uid":"dev1","port":0}""", 400, "target"),
            ("""{"uid":"dev1","port":70000,"target":"a:1"}""", 400, "port is 70000"),
            ("""{"uid":"dev1","port":0,"target":"a"}""", 400, "target is 'a'"),
            ("""{"uid":"","port":0,"target":"a:1"}""", 400, "uid"),
            ("""{"uid":"dev1","port":0,"target":"a:1","address":"here"}""", 400, "address is 'here'"),
            ("""{"uid":"dev1","port":0,"target":"a:1","more":1}""", 400, "more"),
            ("""{"uid":"dev9","port":0,"target":"a:1"}""", 409, "No connector with the uid 'dev9'"),
            ($$"""{"uid":"dev1","port":{{Text(lab.Api.Port)}},"target":"a:1"}""", 409, "Address already in use"),
            ("""{"uid":"dev1","port":0,"target":"a:1","address":"192.0.2.1"}""", 409, "Cannot assign requested address"),
        ];
        foreach ((string body, int status, string part) in cases)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "api/v1/warps") { Content = Json(body) };
            using HttpResponseMessage answer = await client.CallAsync(request);
            using var problem = JsonDocument.Parse(await answer.TextAsync());
            Assert.Equal(("application/problem+json", status), (answer.Content.Headers.ContentType?.MediaType, (int)answer.StatusCode));
            Assert.Contains(part, problem.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
        }
        Assert.Equal(HttpStatusCode.NotFound, await StatusOf(client, HttpMethod.Delete, "api/v1/warps/1"));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, await StatusOf(client, HttpMethod.Delete, "api/v1/warps"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusOf(client, HttpMethod.Get, "api/v1/elsewhere"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await StatusOf(client, HttpMethod.Post, "api/v1/warps", new string(' ', 70_000)));
    }

    [Fact]
    public async Task Without_authentication_only_this_machine_itself_may_call_and_no_page()
    {
        WarpLab lab = Create("--unauthenticated-loopback");
        HttpClient client = lab.CreateClient(null);

        Assert.Equal(HttpStatusCode.OK, await StatusOf(client, HttpMethod.Get, "list"));
        Assert.Equal(HttpStatusCode.NotFound, await Send("DELETE", "close", """{"port":1}"""));
        Assert.Equal(HttpStatusCode.Forbidden, await Send("GET", "list", null, ("Host", "rebound.example")));
        Assert.Equal(HttpStatusCode.Forbidden, await Send("GET", "list", null, ("Host", "rebound.example:8080")));
        Assert.Equal(HttpStatusCode.Forbidden, await Send("DELETE", "close", """{"port":1}""", ("Origin", "http://localhost")));
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, await Send("POST", "open", "{}", ("Content-Type", "text/plain")));

        async Task<HttpStatusCode> Send(string method, string path, string? body, (string Name, string Value)? header = null)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = body is null ? null : Json(body) };
            if (header is { Name: "Content-Type" })
                request.Content!.Headers.ContentType = new(header.Value.Value);
            else if (header is { } other)
                request.Headers.TryAddWithoutValidation(other.Name, other.Value);
            using HttpResponseMessage answer = await client.CallAsync(request);
            return answer.StatusCode;
        }
    }

    [Fact]
    public void The_commands_open_show_and_close_ports()
    {
        WarpLab lab = Create();
        lab.Connect("dev1");
        int port = FreePort();

        Assert.Equal($"127.0.0.1 port {Text(port)} leads to [::1]:22 at dev1\n", Run(0, "open", "dev1", Text(port), "[::1]:22").Output);
        Assert.Matches($@"{Text(port)} +127\.0\.0\.1 +dev1 +\[::1\]:22 +open ", Run(0, "list").Output);
        Assert.Matches(@"dev1 +127\.0\.0\.1:\d+ +kedge-warp/1 ", Run(0, "status").Output);
        using var json = JsonDocument.Parse(Run(0, "status", "--json").Output);
        Assert.Equal("dev1", json.RootElement.GetProperty("connectors")[0].GetProperty("uid").GetString());
        Assert.Contains("No connector with the uid 'dev2'", Run(1, "open", "dev2", "0", "a:1").Error, StringComparison.Ordinal);
        Assert.Contains("'a' is not a target", Run(2, "open", "dev1", "0", "a").Error, StringComparison.Ordinal);
        Assert.Equal($"port {Text(port)} is closed\n", Run(0, "close", Text(port)).Output);
        Assert.Equal("No port is open.\n", Run(0, "list").Output);
        CommandResult tokenless = RunningProcess.Run(
            new Command(Repository.Program, "warp", "list", "--url", lab.Api.ToString(), "--token-file", Path.Combine(lab.Folder, "none")));
        Assert.Equal((1, true), (tokenless.ExitCode, tokenless.Error.StartsWith("kedge: There is no token at ", StringComparison.Ordinal)));

        CommandResult Run(int code, params string[] words)
        {
            CommandResult result = RunningProcess.Run(new Command([Repository.Program, "warp", .. words, .. lab.ApiOptions]) { Timeout = Limit });
            Assert.True(result.ExitCode == code, result.Output + result.Error);
            return result;
        }
    }

    private WarpLab Create(params string[] options)
    {
        var lab = new WarpLab(options);
        _labs.Add(lab);
        return lab;
    }

    private static async Task<HttpStatusCode> StatusOf(HttpClient client, HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : Json(body) };
        using HttpResponseMessage answer = await client.CallAsync(request);
        return answer.StatusCode;
    }

    private static StringContent Json(string text, string type = "application/json") => new(text, Encoding.UTF8, type);

    private static string Opening(string uid, int port) =>
        $$"""{"uid":"{{uid}}","port":{{Text(port)}},"connect_address":"127.0.0.1","connect_port":22}""";

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
