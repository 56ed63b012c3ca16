using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Kedge.Node.Connecting;
using Kedge.Protocol;
using Kedge.Protocol.Api;

namespace Kedge.Commands.Admin;

/// <summary>
/// An administrator's way to a controller: HTTPS to the pinned server, with the token of the login. Whatever goes wrong becomes a
/// <see cref="UserError"/>. Any thread; the caller disposes it.
/// </summary>
internal sealed class ControllerConnection : IDisposable
{
    private const int LongestAnswer = 64 << 20;

    private readonly HttpClient _http;
    private readonly string _address;
    private readonly TimeSpan _timeout;

    /// <param name="login">Which controller, and as whom.</param>
    /// <param name="timeout">How long a request may take, with connecting.</param>
    public ControllerConnection(Login login, TimeSpan timeout)
    {
        _address = login.Url.GetLeftPart(UriPartial.Authority);
        _timeout = timeout;
        _http = new HttpClient(new PinnedServer(login.Pin, TimeProvider.System).CreateHandler())
        {
            BaseAddress = new Uri(login.Url, "/api/v1/"),
            Timeout = timeout,
            MaxResponseContentBufferSize = LongestAnswer,
            DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", login.Token) },
        };
    }

    /// <summary>Asks for something.</summary>
    /// <exception cref="UserError">It was refused, or the controller was not reached.</exception>
    public async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> answer) =>
        await ReadAsync(await SendAsync(HttpMethod.Get, path), answer);

    /// <summary>Asks for something that is plain text.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public async Task<string> GetTextAsync(string path)
    {
        using HttpResponseMessage response = await SendAsync(HttpMethod.Get, path);
        return await response.Content.ReadAsStringAsync();
    }

    /// <summary>Asks for a change that has no body and no answer, such as a deletion.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public async Task SendEmptyAsync(HttpMethod method, string path) => (await SendAsync(method, path)).Dispose();

    /// <summary>Asks for a change that has an answer.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public async Task<T> SendAsync<T>(HttpMethod method, string path, HttpContent? body, JsonTypeInfo<T> answer) =>
        await ReadAsync(await SendAsync(method, path, body), answer);

    /// <summary>A body.</summary>
    public static HttpContent Body<T>(T value, JsonTypeInfo<T> type) => JsonContent.Create(value, type);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? body = null)
    {
        try
        {
            using var request = new HttpRequestMessage(method, path) { Content = body };
            HttpResponseMessage response = await _http.SendAsync(request);
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
                throw await RefusalOfAsync(response);
        }
        catch (HttpRequestException e)
        {
            throw new UserError(Explain(e), e);
        }
        catch (TaskCanceledException e)
        {
            throw new UserError(
                $"The controller at {_address} has not answered within {_timeout.TotalSeconds:0} seconds. Check that it runs and that no firewall "
                + "is in between.",
                e);
        }
    }

    private async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type)
    {
        using (response)
        {
            try
            {
                T? answer = await response.Content.ReadFromJsonAsync(type);
                // The serializer does not look for nulls inside of lists.
                return answer is null || (answer is IEnumerable<object?> list && list.Contains(null)) ? throw new JsonException() : answer;
            }
            catch (JsonException e)
            {
                throw new UserError($"What {_address} answers is not understood. It may be much newer or older than this program: compare 'kedge version'.", e);
            }
        }
    }

    private async Task<UserError> RefusalOfAsync(HttpResponseMessage response)
    {
        Problem? problem = null;
        if (response.Content.Headers.ContentType?.MediaType == "application/problem+json")
        {
            try
            {
                problem = await response.Content.ReadFromJsonAsync(ApiJson.Default.Problem);
            }
            catch (JsonException)
            {
                // Then the status says it all.
            }
        }
        if (response.StatusCode == HttpStatusCode.Unauthorized)
            return new UserError(
                $"The controller at {_address} does not accept this login: the token is wrong, or was replaced since. Log in again with "
                + "'kedge login'; a lost token is replaced on the controller's machine by 'kedge controller admin-token'.");
        if (problem is null)
            return new UserError(
                $"{_address} answers {(int)response.StatusCode}, but not as a controller does. Check the address, and compare 'kedge version' on both.");
        return new UserError(Explain(problem));
    }

    /// <summary>All that a problem says, in one sentence or a list.</summary>
    internal static string Explain(Problem problem)
    {
        string detail = problem.Detail.Length > 0 ? problem.Detail : problem.Title.Length > 0 ? problem.Title : "The controller refuses.";
        bool isSaidByDetail = problem.Errors.All(fault => detail.Contains(fault.Detail, StringComparison.Ordinal));
        if (problem.Errors.Count == 0 || (problem.Errors.Count == 1 && isSaidByDetail))
            return TextTable.Clean(detail);
        string head = isSaidByDetail ? "The controller refuses:" : detail;
        return string.Join("\n  ", problem.Errors.Select(fault => $"{fault.Field}: {fault.Detail}").Prepend(head).Select(TextTable.Clean));
    }

    private string Explain(HttpRequestException e)
    {
        for (Exception? cause = e; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case PinnedServerException:
                    return $"{_address} was reached, but is not trusted. {cause.Message}";
                case ConnectException { Error: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return $"{_address} cannot be found: {cause.Message}. Check its spelling and this machine's DNS.";
                case ConnectException { Error: SocketError.ConnectionRefused }:
                    return $"{_address} refuses connections: nothing listens there. Check the port, and that 'kedge controller' runs.";
                case ConnectException:
                    return $"{_address} cannot be reached: {cause.Message}. "
                        + "Check the address, this machine's routes and firewalls in between.";
            }
        }
        if (e.HttpRequestError == HttpRequestError.ConfigurationLimitExceeded)
            return $"{_address} answers with more than {LongestAnswer >> 20} MiB, which no controller does.";
        return $"{_address} does not speak HTTPS as a controller does: {(e.InnerException ?? e).Message} Check the address and the port.";
    }
}
