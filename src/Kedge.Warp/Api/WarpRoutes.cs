using System.Globalization;
using System.Text.Json;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;
using Kedge.Warp.Listening;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Endpoint = Kedge.Protocol.Ip.Endpoint;

namespace Kedge.Warp.Api;

/// <summary>Kedge's own routes, <c>/api/v1/warps</c> and <c>/api/v1/warps/{port}</c>, whose refusals are problems (RFC 9457).</summary>
/// <param name="listener">What they are about.</param>
/// <param name="publishAddress">Where ports are opened unless a call says where.</param>
internal sealed class WarpRoutes(WarpListener listener, IpAddress publishAddress)
{
    private const string Root = "/api/v1/warps";
    private const string ProblemType = "application/problem+json";

    /// <summary>Answers a call that was let in.</summary>
    public Task AnswerAsync(HttpContext context)
    {
        string path = context.Request.Path.Value ?? "";
        if (path == Root)
        {
            return context.Request.Method switch
            {
                "GET" => ListAsync(context),
                "POST" => OpenAsync(context),
                _ => RefuseMethodAsync(context, "GET, POST"),
            };
        }
        if (path.StartsWith(Root + "/", StringComparison.Ordinal)
            && ushort.TryParse(path.AsSpan(Root.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            return context.Request.Method == "DELETE" ? CloseAsync(context, port) : RefuseMethodAsync(context, "DELETE");
        return RefuseAsync(context, StatusCodes.Status404NotFound, $"There is nothing at {PrintableText.Clean(path)}: {Root} has the ports.");
    }

    /// <summary>Answers with a problem.</summary>
    public static Task RefuseAsync(HttpContext context, int status, string detail)
    {
        context.Response.StatusCode = status;
        var problem = new Problem { Status = status, Title = ReasonPhrases.GetReasonPhrase(status), Detail = detail };
        return context.Response.WriteAsJsonAsync(problem, WarpJson.Default.Problem, ProblemType, context.RequestAborted);
    }

    private static Task RefuseMethodAsync(HttpContext context, string allowed)
    {
        context.Response.Headers.Allow = allowed;
        return RefuseAsync(context, StatusCodes.Status405MethodNotAllowed, $"This cannot be done with it: {allowed} can.");
    }

    private async Task ListAsync(HttpContext context)
    {
        IReadOnlyList<WarpPortStatus> ports = await listener.ListAsync();
        IReadOnlyList<WarpConnectorStatus> connectors = await listener.ConnectorsAsync();
        HashSet<string> present = [.. connectors.Select(connector => connector.Uid)];
        var state = new WarpState(
            [.. ports.Select(port => EntryOf(port, present.Contains(port.Port.Uid)))],
            [.. connectors.Select(EntryOf)]);
        await context.Response.WriteAsJsonAsync(state, WarpJson.Default.WarpState, cancellationToken: context.RequestAborted);
    }

    private async Task OpenAsync(HttpContext context)
    {
        if (!ApiAccess.IsJson(context.Request))
        {
            await RefuseAsync(context, StatusCodes.Status415UnsupportedMediaType, "The body must be JSON: Content-Type: application/json.");
            return;
        }
        WarpOpening? wanted;
        try
        {
            wanted = await JsonSerializer.DeserializeAsync(context.Request.Body, WarpJson.Default.WarpOpening, context.RequestAborted);
        }
        catch (JsonException e)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, $"The body is not what this route takes, an object with uid, port and target: {e.Message}");
            return;
        }
        if (FaultOf(wanted, out WarpPort? port) is { } fault)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, fault);
            return;
        }
        Opening opening = await listener.OpenAsync(port!);
        switch (opening.Result)
        {
            case OpeningResult.Opened:
                context.Response.StatusCode = StatusCodes.Status201Created;
                context.Response.Headers.Location = string.Create(CultureInfo.InvariantCulture, $"{Root}/{opening.Local.Port}");
                WarpPortStatus status = (await listener.ListAsync()).First(one => one.Port.Listen.Port == opening.Local.Port);
                await context.Response.WriteAsJsonAsync(EntryOf(status, true), WarpJson.Default.WarpPortEntry, cancellationToken: context.RequestAborted);
                break;
            case OpeningResult.UidUnknown:
                await RefuseAsync(
                    context, StatusCodes.Status409Conflict,
                    $"No connector with the uid '{PrintableText.Clean(port!.Uid)}' is connected: 'kedge warp status' shows those that are.");
                break;
            default:
                await RefuseAsync(
                    context,
                    opening.Errno is Errno.EACCES or Errno.EPERM ? StatusCodes.Status403Forbidden : StatusCodes.Status409Conflict,
                    $"Port {port!.Listen.Port} at {port.Listen.Address} cannot be opened: {opening.Reason}.");
                break;
        }
    }

    private async Task CloseAsync(HttpContext context, ushort port)
    {
        if (await listener.CloseAsync(port))
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        else
            await RefuseAsync(context, StatusCodes.Status404NotFound, $"Port {port} is not open: {Root} has those that are.");
    }

    /// <summary>What is wrong with a request.</summary>
    /// <param name="wanted">The request.</param>
    /// <param name="port">The port that it asks for, if nothing is wrong.</param>
    /// <returns>Null if nothing is.</returns>
    private string? FaultOf(WarpOpening? wanted, out WarpPort? port)
    {
        port = null;
        IpAddress address = publishAddress;
        if (wanted is null)
            return "The body is null.";
        if (!Uid.IsValid(wanted.Uid))
            return "uid must have 1 to 255 bytes that can be shown.";
        if (wanted.Port is < 0 or > ushort.MaxValue)
            return $"port is {wanted.Port}, but must be from 1 to 65535, or 0 for any that is free.";
        if (!WarpTarget.TryParse(wanted.Target, out WarpTarget? target))
            return $"target is '{PrintableText.Clean(wanted.Target)}', but must be HOST:PORT, such as 127.0.0.1:22 or db.internal:5432.";
        if (wanted.Address is { } text && !IpAddress.TryParse(text, out address))
            return $"address is '{PrintableText.Clean(text)}', but must be an address of this machine, such as 127.0.0.1 or 0.0.0.0.";
        port = new WarpPort(new Endpoint(address, (ushort)wanted.Port), wanted.Uid, target);
        return null;
    }

    private static WarpPortEntry EntryOf(WarpPortStatus status, bool isConnected) => new()
    {
        Port = status.Port.Listen.Port,
        Address = status.Port.Listen.Address.ToString(),
        Uid = status.Port.Uid,
        Target = status.Port.Target.ToString(),
        Connected = isConnected,
        Failure = status.Failure,
        ActiveConnections = status.Calls,
        Connections = status.Connections,
        FailedConnections = status.Failures,
        BytesIn = status.BytesIn,
        BytesOut = status.BytesOut,
    };

    private static WarpConnectorEntry EntryOf(WarpConnectorStatus status) => new()
    {
        Uid = status.Uid,
        Address = status.Remote.ToString(),
        Protocol = status.Protocol,
        Since = status.Since,
        RoundTripMilliseconds = Math.Round(status.RoundTrip.TotalMilliseconds, 3),
        ActiveConnections = status.Calls,
    };
}
