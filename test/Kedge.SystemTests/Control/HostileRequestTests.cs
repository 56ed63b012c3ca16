using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kedge.Protocol.Api;

namespace Kedge.SystemTests.Control;

/// <summary>Every route of the interface's description, with values that are missing, wrong, huge and hostile, made from it.</summary>
public sealed class HostileRequestTests(SharedController shared) : IClassFixture<SharedController>
{
    private static readonly JsonObject Interface = JsonNode.Parse(File.ReadAllText(Repository.PathOf("docs/openapi.json")))!.AsObject();

    // What any value may be. The huge one is longer than a body may be.
    private static readonly string[] HostileJson =
    [
        "null", "true", "-1", "1e400", "99999999999999999999", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "\"x\\n\\r\\t\"", "\"' OR 1=1 --\"", "\"../../etc/passwd\"",
        "\"${jndi:ldap://x}\"", "\"%00%ff\"", "\"0.0.0.0/0\"", "\"::/0\"", "\"fe80::1%eth0\"", "\"00000000-0000-0000-0000-000000000000\"", "[]", "[null]", "[[[]]]",
        "[\"\",\"\"]", "{}", "{\"a\":{}}", "{\"__proto__\":1}", $"\"{new string('A', 70_000)}\"", $"[{string.Join(',', Enumerable.Repeat("\"10.0.0.0/8\"", 2000))}]",
    ];

    private static readonly string[] HostileText =
        ["", " ", "%00", "%ff%fe", "..%2f..", "' OR 1=1 --", "-1", "99999999999999999999999", "a%0d%0aX: y", "<script>", new('z', 5000), "%F0%9F%92%A9"];

    private readonly ControllerProcess _controller = shared.Process;
    private readonly HttpClient _administrator = shared.Administrator;

    public static TheoryData<string, string> Routes()
    {
        TheoryData<string, string> routes = [];
        foreach ((string path, JsonNode? item) in Interface["paths"]!.AsObject())
        {
            foreach ((string method, _) in item!.AsObject())
                routes.Add(method.ToUpperInvariant(), path);
        }
        return routes;
    }

    [Fact]
    public async Task Every_route_with_every_hostile_value_is_refused_or_fulfilled_and_never_fails()
    {
        int tried = 0;
        foreach ((string method, string path) in Routes().Select(row => row.Data))
        {
            JsonObject operation = Interface["paths"]![path]![method.ToLowerInvariant()]!.AsObject();
            foreach (string hostile in PathsWithHostileValues(path, operation))
            {
                await SendAsync(method, hostile, operation["requestBody"] is null ? null : "{}");
                tried++;
            }
            foreach (string body in HostileBodies(operation))
            {
                await SendAsync(method, Fill(path, "default"), body);
                tried++;
            }
        }
        Assert.True(tried > 1000, $"Only {tried} requests were made.");
        Assert.Equal(HttpStatusCode.OK, (await _administrator.CallAsync(HttpMethod.Get, "/health/ready")).StatusCode);
        Assert.DoesNotContain("defect", _controller.Process.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_route_but_those_for_all_asks_who_calls_before_it_reads_anything()
    {
        using HttpClient stranger = _controller.CreateClient();
        using HttpClient impostor = _controller.CreateClient("0123456789abcdef.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        List<string> open = [];
        foreach ((string method, string path) in Routes().Select(row => row.Data))
        {
            foreach (HttpClient client in new[] { stranger, impostor })
            {
                using HttpResponseMessage answer = await client.CallAsync(new HttpMethod(method), Fill(path, "default"), method is "POST" or "PUT" or "PATCH" ? "no JSON" : null);
                if (answer.StatusCode != HttpStatusCode.Unauthorized)
                    open.Add($"{method} {path}");
                else
                    await answer.ReadProblemAsync();
            }
        }

        Assert.Equal(
            ["GET /health/live", "GET /health/ready", "POST /api/v1/enrolments", "POST /api/v1/enrolments/challenges", "POST /api/v1/enrolments/inquiries"],
            open.Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("{\"name\":\"x\"}", "prefixes")]
    [InlineData("{\"name\":\"x\",\"prefixes\":[\"10.1.0.0/16\"],\"colour\":1}", "'colour' is no member")]
    [InlineData("{\"name\":\"x\",\"name\":\"y\",\"prefixes\":[\"10.1.0.0/16\"]}", "twice")]
    [InlineData("{\"name\":7,\"prefixes\":[\"10.1.0.0/16\"]}", "kind")]
    [InlineData("{\"name\":null,\"prefixes\":[\"10.1.0.0/16\"]}", "null")]
    [InlineData("{\"name\":", "not JSON")]
    [InlineData("[]", "kind")]
    public async Task A_body_that_is_wrong_is_refused_with_what_is_wrong(string body, string words)
    {
        using HttpResponseMessage answer = await _administrator.CallAsync(HttpMethod.Post, "/api/v1/zones", body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        ProblemFault fault = Assert.Single((await answer.ReadProblemAsync()).Errors);
        Assert.Contains(words, fault.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_that_is_too_long_or_no_JSON_at_all_is_refused()
    {
        using HttpResponseMessage tooLong = await _administrator.CallAsync(HttpMethod.Post, "/api/v1/zones", $"{{\"name\":\"{new string('x', 300_000)}\"}}");
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, tooLong.StatusCode);
        await tooLong.ReadProblemAsync();

        using var form = new FormUrlEncodedContent([new("name", "x")]);
        using HttpResponseMessage other = await _administrator.PostAsync("/api/v1/zones", form, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, other.StatusCode);
        await other.ReadProblemAsync();

        using HttpResponseMessage nothing = await _administrator.CallAsync(HttpMethod.Post, "/api/v1/zones");
        Assert.Equal(HttpStatusCode.BadRequest, nothing.StatusCode);
        await nothing.ReadProblemAsync();
        using HttpResponseMessage method = await _administrator.CallAsync(HttpMethod.Put, "/api/v1/zones", "{}");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, method.StatusCode);
        await method.ReadProblemAsync();
        using HttpResponseMessage nowhere = await _administrator.CallAsync(HttpMethod.Get, "/api/v1/elsewhere");
        Assert.Equal(HttpStatusCode.NotFound, nowhere.StatusCode);
        await nowhere.ReadProblemAsync();
    }

    [Fact]
    public async Task The_description_in_the_tree_is_that_of_this_controller()
    {
        using HttpResponseMessage answer = await _administrator.CallAsync(HttpMethod.Get, "/api/v1/openapi.json");
        string served = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

        Assert.Equal(await File.ReadAllTextAsync(Repository.PathOf("docs/openapi.json"), TestContext.Current.CancellationToken), served);
        Assert.StartsWith("3.1", (string)Interface["openapi"]!, StringComparison.Ordinal);
    }

    private async Task SendAsync(string method, string path, string? body)
    {
        string shown = $"{method} {path[..Math.Min(path.Length, 120)]} {body?[..Math.Min(body.Length, 200)]}";
        HttpResponseMessage answer;
        try
        {
            answer = await _administrator.CallAsync(new HttpMethod(method), path, body);
        }
        catch (HttpRequestException e) when (e.InnerException is HttpProtocolException && path.Contains("%00", StringComparison.Ordinal))
        {
            return; // no path at all (RFC 3986 section 7.3): it gets no further than the web server
        }
        using HttpResponseMessage closed = answer;
        Assert.True((int)answer.StatusCode < 500, $"{shown}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        if ((int)answer.StatusCode >= 400 && answer.StatusCode != HttpStatusCode.RequestUriTooLong)
            Assert.Equal((int)answer.StatusCode, (await answer.ReadProblemAsync()).Status);
    }

    private static IEnumerable<string> PathsWithHostileValues(string path, JsonObject operation)
    {
        yield return Fill(path, "default");
        foreach (JsonNode? parameter in operation["parameters"]?.AsArray() ?? [])
        {
            string name = (string)parameter!["name"]!;
            foreach (string value in HostileText)
            {
                string text = value.Contains('%') ? value : Uri.EscapeDataString(value);
                if ((string)parameter["in"]! == "query")
                    yield return $"{Fill(path, "default")}?{name}={text}";
                else if (text.Length > 0)
                    yield return Fill(path.Replace($"{{{name}}}", text), "default");
            }
        }
    }

    /// <summary>Fills the parameters that are left.</summary>
    private static string Fill(string path, string value) =>
        string.Join('/', path.Split('/').Select(part => part.StartsWith('{') ? value : part));

    private static IEnumerable<string> HostileBodies(JsonObject operation)
    {
        if (operation["requestBody"]?["content"]?["application/json"]?["schema"] is not { } schema)
            yield break;
        foreach (string hostile in HostileJson)
            yield return hostile;
        yield return "{\"unknown\":1}";
        yield return new string('[', 5000);
        foreach (string body in Mutations(Resolve(schema), depth: 0))
            yield return body;
    }

    /// <summary>A body that is right in form, with one member after the other missing or hostile, at any depth.</summary>
    private static IEnumerable<string> Mutations(JsonObject schema, int depth)
    {
        JsonObject members = schema["properties"]?.AsObject() ?? [];
        foreach ((string name, JsonNode? member) in members)
        {
            yield return Text(Sample(schema, without: name));
            IEnumerable<string> values = HostileJson;
            if (depth < 3 && Resolve(member!)["properties"] is not null)
                values = values.Concat(Mutations(Resolve(member!), depth + 1));
            else if (depth < 3 && member!["items"] is { } items && Resolve(items)["properties"] is not null)
                values = values.Concat(Mutations(Resolve(items), depth + 1).Select(one => $"[{one}]"));
            foreach (string value in values)
            {
                string rest = Text(Sample(schema, without: name));
                yield return rest == "{}" ? $"{{\"{name}\":{value}}}" : $"{rest[..^1]},\"{name}\":{value}}}";
            }
        }
    }

    private static JsonObject Sample(JsonObject schema, string? without = null)
    {
        var sample = new JsonObject();
        foreach (string name in schema["required"]?.AsArray().Select(one => (string)one!) ?? [])
        {
            if (name != without)
                sample[name] = SampleOf(Resolve(schema["properties"]![name]!));
        }
        return sample;
    }

    private static JsonNode SampleOf(JsonObject schema)
    {
        if (schema["properties"] is not null)
            return Sample(schema);
        string type = schema["type"] is JsonArray many ? (string)many.First(one => (string)one! != "null")! : (string?)schema["type"] ?? "string";
        return type switch
        {
            "array" => new JsonArray(),
            "integer" or "number" => 1,
            "boolean" => false,
            _ => (string?)schema["format"] == "uuid" ? Guid.Empty.ToString() : "sample",
        };
    }

    private static JsonObject Resolve(JsonNode schema)
    {
        if (schema["oneOf"] is JsonArray choices)
            schema = choices.First(one => one!["$ref"] is not null || (string?)one["type"] != "null")!;
        return (string?)schema["$ref"] is { } reference ? Interface["components"]!["schemas"]![reference.Split('/')[^1]]!.AsObject() : schema.AsObject();
    }

    private static string Text(JsonObject body) => body.ToJsonString(new JsonSerializerOptions { WriteIndented = false });
}
