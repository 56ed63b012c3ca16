using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Endpoints;

/// <summary>Turns whatever goes wrong into a problem (RFC 9457).</summary>
internal static partial class Problems
{
    /// <summary>The media type of RFC 9457 section 3.</summary>
    public const string MediaType = "application/problem+json";

    /// <summary>Names the problems that a route answers with, for the description of the interface.</summary>
    public static RouteHandlerBuilder Refuses(this RouteHandlerBuilder route, params ReadOnlySpan<int> statuses)
    {
        foreach (int status in statuses)
            route.Produces<Problem>(status, MediaType);
        return route;
    }

    /// <summary>Answers with a problem where a request is refused or fails, and where nothing answers it.</summary>
    public static void UseProblems(this WebApplication app, ILogger log) => app.Use(async (context, next) =>
    {
        try
        {
            await next(context);
            if (context.Response.StatusCode >= 400 && !context.Response.HasStarted && context.Response.ContentType is null)
                await WriteAsync(context, context.Response.StatusCode, DetailOf(context));
        }
        catch (Exception e) when (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            context.Response.Clear();
            await AnswerAsync(context, e, log);
        }
    });

    private static Task AnswerAsync(HttpContext context, Exception exception, ILogger log)
    {
        switch (exception)
        {
            case Refusal refusal:
                if (refusal.Status == StatusCodes.Status401Unauthorized)
                    context.Response.Headers.WWWAuthenticate = "Bearer";
                if (refusal.RetryAfter is { } wait)
                    context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
                return WriteAsync(context, refusal.Status, refusal.Message, refusal.Faults, refusal.Reason);
            case BadHttpRequestException { InnerException: JsonException json }:
                return WriteAsync(context, StatusCodes.Status400BadRequest, "The body is not what this route takes.", [FaultOf(json)]);
            case BadHttpRequestException bad:
                return WriteAsync(context, bad.StatusCode, bad.StatusCode switch
                {
                    StatusCodes.Status413PayloadTooLarge => "The body is longer than any that this route takes.",
                    StatusCodes.Status415UnsupportedMediaType => "The body must be JSON: Content-Type: application/json.",
                    _ => "The request has no body, or not one that this route can read: send JSON.",
                });
            case StoreException or ObjectDisposedException:
                context.Response.Headers.RetryAfter = "5";
                return WriteAsync(context, StatusCodes.Status503ServiceUnavailable, $"{exception.Message} Nothing was changed; try again later.");
            default:
                Log.RequestFailed(log, exception, Values.Show(context.Request.Method), Values.Show(context.Request.Path));
                return WriteAsync(context, StatusCodes.Status500InternalServerError, "This is a defect of Kedge; the controller's log has the details.");
        }
    }

    private static Task WriteAsync(
        HttpContext context, int status, string detail, IReadOnlyList<ProblemFault>? faults = null, RefusalReason reason = RefusalReason.None)
    {
        context.Response.StatusCode = status;
        var problem = new Problem
        {
            Status = status,
            Title = ReasonPhrases.GetReasonPhrase(status),
            Detail = detail,
            Reason = reason == RefusalReason.None ? null : reason,
            Errors = faults ?? [],
        };
        return context.Response.WriteAsJsonAsync(problem, ApiJson.Default.Problem, MediaType, context.RequestAborted);
    }

    private static string DetailOf(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => $"There is nothing at {Values.Show(context.Request.Path.ToString())}: /api/v1/openapi.json lists all routes.",
        StatusCodes.Status405MethodNotAllowed => $"{Values.Show(context.Request.Method)} cannot be done with {Values.Show(context.Request.Path.ToString())}: the header Allow says what can.",
        StatusCodes.Status415UnsupportedMediaType => "The body must be JSON: Content-Type: application/json.",
        var status => $"The request was refused: {ReasonPhrases.GetReasonPhrase(status)}.",
    };

    /// <summary>Says what is wrong with a body in words of its own: the library's are about its types.</summary>
    private static ProblemFault FaultOf(JsonException exception)
    {
        string field = exception.Path is { Length: > 2 } path ? path[2..] : "body";
        string[] quoted = [.. Quoted().Matches(exception.Message).Select(match => match.Groups[1].Value)];
        string message = exception.Message;
        if (message.Contains("could not be mapped to any .NET member", StringComparison.Ordinal))
            return new(field, $"{Values.Show(quoted[0])} is no member that this route knows: leave it out.");
        if (message.Contains("missing required properties", StringComparison.Ordinal))
            return new(field, $"Required and missing: {string.Join(", ", quoted.Skip(1))}.");
        if (message.StartsWith("Duplicate property", StringComparison.Ordinal))
            return new(field, $"The member {Values.Show(quoted.FirstOrDefault() ?? "")} is there twice.");
        if (message.Contains("null", StringComparison.Ordinal) && message.Contains("doesn't allow", StringComparison.Ordinal))
            return new(field, "This is null, but must have a value.");
        if (message.Contains("could not be converted", StringComparison.Ordinal))
            return new(field, "This is not of the kind that it must be (a text, a number, a list, true or false).");
        string line = exception.LineNumber is { } number ? $" near line {number + 1}, byte {exception.BytePositionInLine}" : "";
        return new(field, $"This is not JSON{line}.");
    }

    [GeneratedRegex("'([^']*)'")]
    private static partial Regex Quoted();
}
