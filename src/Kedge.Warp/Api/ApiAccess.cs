using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Kedge.Warp.Api;

/// <summary>Who may call the API. Immutable.</summary>
/// <param name="token">The token that every call must present (RFC 6750), on loopback too.</param>
/// <param name="allowsLoopback">
/// Whether calls without a token are taken from this machine. Then everything is refused that a page in a browser could make it send: another
/// Host, which is what DNS rebinding looks like, an Origin, and changes whose body is not declared to be JSON.
/// </param>
internal sealed class ApiAccess(string token, bool allowsLoopback)
{
    private const string Scheme = "Bearer ";

    private readonly byte[] _hash = SHA256.HashData(Encoding.UTF8.GetBytes(token));

    /// <summary>Why a call is refused, and with which status; null if it may be made.</summary>
    public (int Status, string Reason)? Check(HttpContext context)
    {
        if (HasToken(context.Request))
            return null;
        if (!allowsLoopback)
            return (StatusCodes.Status401Unauthorized, "The listener's token is needed: Authorization: Bearer TOKEN. It is in the file api-token of the listener's state directory.");
        HttpRequest request = context.Request;
        if (context.Connection.RemoteIpAddress is not { } remote || !IPAddress.IsLoopback(remote))
            return (StatusCodes.Status403Forbidden, "Without the listener's token, only this machine itself may call.");
        if (!IsLoopback(request.Host.Host))
            return (StatusCodes.Status403Forbidden, "Without the listener's token, the header Host must be localhost, 127.0.0.1 or [::1].");
        if (request.Headers.Origin.Count > 0)
            return (StatusCodes.Status403Forbidden, "Without the listener's token, no page in a browser may call: there is a header Origin.");
        return !HttpMethods.IsGet(request.Method) && !IsJson(request)
            ? (StatusCodes.Status415UnsupportedMediaType, "Without the listener's token, a change needs the header Content-Type: application/json.")
            : null;
    }

    /// <summary>Whether a request says that its body is JSON.</summary>
    public static bool IsJson(HttpRequest request) =>
        request.ContentType is { } type && type.Split(';')[0].Trim().Equals("application/json", StringComparison.OrdinalIgnoreCase);

    private static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    private bool HasToken(HttpRequest request) =>
        request.Headers.Authorization is [{ } value] && value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
        && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(value[Scheme.Length..].Trim())), _hash);
}
