using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Kedge.Demo;
using Kedge.Protocol.Api;

namespace Kedge.SystemTests.Control;

/// <summary>A controller in a process of its own, on a free port of loopback, and what is known of it. Disposing ends it.</summary>
internal sealed class ControllerProcess : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly X509Certificate2 _authority;

    private ControllerProcess(RunningProcess process, string dataDirectory, string seenFrom)
    {
        Process = process;
        DataDirectory = dataDirectory;
        process.WaitForLine("Ready: nodes join at", Patience);
        string url = process.WaitForLine("address    ", Patience)["address    ".Length..];
        Url = new Uri(url);
        _authority = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(seenFrom, "keys", "server-ca.pem"));
        AdministratorToken = File.ReadAllText(Path.Combine(seenFrom, "administrator.token")).Trim();
    }

    public RunningProcess Process { get; }

    public string DataDirectory { get; }

    public Uri Url { get; }

    public string AdministratorToken { get; }

    /// <summary>Trust in this controller alone.</summary>
    public X509ChainPolicy Trust => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        CustomTrustStore = { _authority },
        RevocationMode = X509RevocationMode.NoCheck,
    };

    /// <summary>Starts a controller.</summary>
    /// <param name="net">Whose folder has its data.</param>
    /// <param name="options">More options.</param>
    public static ControllerProcess Start(Topology net, params string[] options)
    {
        string data = Path.Combine(net.TempFolder, "controller");
        return new ControllerProcess(RunningProcess.Start(Call(data, options)), data, data);
    }

    /// <summary>Starts another one with the data and at the address of this one, which has ended.</summary>
    public ControllerProcess StartAgain(params string[] options)
    {
        var call = new Command([Repository.Program, "controller", "--data-dir", DataDirectory, "--listen", Url.Authority, .. options]);
        return new ControllerProcess(RunningProcess.Start(call), DataDirectory, DataDirectory);
    }

    /// <summary>Starts one whose folder is a file system of its own, which nobody else sees and which ends with it.</summary>
    /// <param name="size">Its size, such as <c>2m</c>.</param>
    public static ControllerProcess StartOnSmallDisk(string size)
    {
        const string Folder = "/mnt";
        const string Script = """mount -t tmpfs -o "size=$1" tmpfs /mnt && shift && dd if=/dev/zero of=/mnt/ballast bs=1k count=256 2>/dev/null && exec "$@" """;
        Command call = Call(Folder + "/controller", []);
        RunningProcess process = RunningProcess.Start(new Command(["unshare", "--mount", "sh", "-c", Script, "sh", size, .. call.Line]));
        process.WaitForLine("Ready: nodes join at", Patience);
        return new ControllerProcess(process, Folder + "/controller", $"/proc/{process.ProcessId}/root{Folder}/controller");
    }

    /// <summary>The call that starts a controller.</summary>
    public static Command Call(string dataDirectory, params string[] options) =>
        new([Repository.Program, "controller", "--data-dir", dataDirectory, "--listen", "127.0.0.1:0", .. options]);

    /// <summary>A client that believes this controller alone.</summary>
    /// <param name="token">An administrator token; null for none.</param>
    /// <param name="certificate">A certificate with its key to present; null for none.</param>
    public HttpClient CreateClient(string? token = null, X509Certificate2? certificate = null)
    {
        var handler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                CertificateChainPolicy = Trust,
                ClientCertificates = certificate is null ? null : [certificate],
                LocalCertificateSelectionCallback = certificate is null ? null : (_, _, _, _, _) => certificate,
            },
        };
        var client = new HttpClient(handler)
        {
            BaseAddress = Url,
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        if (token is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    public HttpClient CreateAdministrator() => CreateClient(AdministratorToken);

    public void Dispose()
    {
        Process.Dispose();
        _authority.Dispose();
    }
}

/// <summary>Requests and answers in JSON.</summary>
internal static class JsonCalls
{
    public static async Task<T> ReadAsync<T>(this HttpClient client, HttpMethod method, string path, object? body = null)
    {
        using HttpResponseMessage answer = await client.CallAsync(method, path, body);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {(int)answer.StatusCode} {text}");
        return (T)JsonSerializer.Deserialize(text, typeof(T), ApiJson.Default)!;
    }

    public static Task<HttpResponseMessage> CallAsync(this HttpClient client, HttpMethod method, string path, object? body = null)
    {
        var request = new HttpRequestMessage(method, path) { Version = client.DefaultRequestVersion, VersionPolicy = client.DefaultVersionPolicy };
        if (body is not null)
        {
            string text = body as string ?? JsonSerializer.Serialize(body, body.GetType(), ApiJson.Default);
            request.Content = new StringContent(text, Encoding.UTF8, "application/json");
        }
        return client.SendAsync(request);
    }

    /// <summary>The problem that an answer is.</summary>
    public static async Task<Problem> ReadProblemAsync(this HttpResponseMessage answer)
    {
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.Content.Headers.ContentType?.MediaType == "application/problem+json", $"{(int)answer.StatusCode} {answer.Content.Headers.ContentType} {text}");
        Problem problem = JsonSerializer.Deserialize(text, ApiJson.Default.Problem)!;
        Assert.Equal((int)answer.StatusCode, problem.Status);
        Assert.NotEmpty(problem.Title);
        Assert.NotEmpty(problem.Detail);
        return problem;
    }
}
