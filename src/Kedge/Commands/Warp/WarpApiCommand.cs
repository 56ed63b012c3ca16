using System.CommandLine;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Warp.Api;
using Kedge.Warp.Identity;
using Kedge.Warp.Listening;

namespace Kedge.Commands.Warp;

/// <summary>A command that asks a listener by its API.</summary>
internal abstract class WarpApiCommand : Command
{
    private const string TokenFileVariable = "KEDGE_WARP_TOKEN_FILE";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly Option<string> _url = Setting.Text(
        "--url", "URL", "KEDGE_WARP_URL", $"http://127.0.0.1:{ListenerSettings.DefaultApiPort}", "The listener's API.");

    private readonly Option<string> _tokenFile = Setting.Text(
        "--token-file", "FILE", TokenFileVariable, $"{WarpListenCommand.DefaultStateDirectory}/{WarpListenCommand.TokenFile}", "The file with the API's token.");

    private readonly Option<string> _authorities = Setting.Text(
        "--ca", "FILE", "KEDGE_WARP_CA", "", "The authorities that certify the listener, PEM, for a URL with https.");

    protected WarpApiCommand(string name, string description)
        : base(name, description)
    {
        Options.Add(_url);
        Options.Add(_tokenFile);
        Options.Add(_authorities);
        SetAction(call =>
        {
            RunAsync(call).GetAwaiter().GetResult();
            return 0;
        });
    }

    /// <summary>What the command does.</summary>
    /// <exception cref="UserError">The listener refuses it, or is not reached.</exception>
    protected abstract Task RunAsync(ParseResult call);

    /// <summary>Asks the listener, and reads its answer.</summary>
    /// <returns>The answer; the default if it has none.</returns>
    protected async Task<T?> AskAsync<T>(ParseResult call, HttpMethod method, string path, HttpContent? body, JsonTypeInfo<T> type)
        where T : class
    {
        string url = call.GetRequiredValue(_url);
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? root) || root.Scheme is not ("http" or "https"))
            throw new UserError($"--url is '{url}', but must be that of a listener's API, such as http://127.0.0.1:{ListenerSettings.DefaultApiPort}.");
        if (root is { Scheme: "http", IsLoopback: false })
            throw new UserError($"--url is '{url}', which would send the token unencrypted: a listener's API beyond loopback speaks https.");
        using HttpClient client = CreateClient(call, root);
        try
        {
            using var request = new HttpRequestMessage(method, new Uri(root, path)) { Content = body };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", ReadToken(call.GetRequiredValue(_tokenFile)));
            using HttpResponseMessage response = await client.SendAsync(request);
            if (!response.IsSuccessStatusCode)
            {
                Problem? problem = response.Content.Headers.ContentType?.MediaType == "application/problem+json"
                    ? await response.Content.ReadFromJsonAsync(WarpJson.Default.Problem)
                    : null;
                throw new UserError(PrintableText.Clean(problem?.Detail ?? $"The listener at {root} refuses: {(int)response.StatusCode} {response.ReasonPhrase}"));
            }
            return response.StatusCode == System.Net.HttpStatusCode.NoContent ? null : await response.Content.ReadFromJsonAsync(type);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or JsonException)
        {
            throw new UserError($"The listener's API at {root} does not answer: {e.Message} Name another with --url.", e);
        }
    }

    private HttpClient CreateClient(ParseResult call, Uri root)
    {
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        if (call.GetRequiredValue(_authorities) is { Length: > 0 } file)
        {
            PeerTrust trust = PeerTrust.Read(file, null);
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
                certificate is not null
                && trust.CheckListener(
                    [certificate.GetRawCertData(), .. chain?.ChainElements.Skip(1).Select(element => element.Certificate.RawData) ?? []],
                    root.IdnHost.Trim('[', ']'),
                    DateTimeOffset.UtcNow) is null;
        }
        return new HttpClient(handler) { Timeout = Patience };
    }

    private static string ReadToken(string file)
    {
        try
        {
            return PrivateFile.TryRead(file, out byte[]? contents)
                ? Encoding.UTF8.GetString(contents).Trim()
                : throw new UserError($"There is no token at {file}: the listener keeps it in its state directory, and --token-file names another file.");
        }
        catch (LinuxException e)
        {
            throw new UserError($"The token cannot be read: {e.Message}. The listener's user may read it.", e);
        }
    }
}
