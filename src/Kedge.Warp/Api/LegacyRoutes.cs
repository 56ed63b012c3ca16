using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;
using Kedge.Warp.Listening;
using Microsoft.AspNetCore.Http;
using Endpoint = Kedge.Protocol.Ip.Endpoint;

namespace Kedge.Warp.Api;

/// <summary>socket-warp's three routes, with its bodies, texts and statuses, so that what calls it goes on working.</summary>
/// <param name="listener">What they are about.</param>
/// <param name="publishAddress">Where ports are opened.</param>
internal sealed class LegacyRoutes(WarpListener listener, IpAddress publishAddress)
{
    /// <summary>Answers a call that was let in.</summary>
    public Task AnswerAsync(HttpContext context) => (context.Request.Method, context.Request.Path.Value) switch
    {
        ("POST", "/open") => OpenAsync(context),
        ("GET", "/list") => ListAsync(context),
        ("DELETE", "/close") => CloseAsync(context),
        _ => AnswerAsync(context, StatusCodes.Status404NotFound, ""),
    };

    /// <summary>Answers with a text, which bears no type there.</summary>
    public static Task AnswerAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        context.Response.ContentLength = bytes.Length;
        return context.Response.Body.WriteAsync(bytes, context.RequestAborted).AsTask();
    }

    private async Task OpenAsync(HttpContext context)
    {
        if (await ReadAsync(context, LegacyJson.Default.LegacyOpening) is not { } wanted)
            return;
        if (!WarpTarget.TryCreate(wanted.ConnectAddress, wanted.ConnectPort, out WarpTarget? target))
        {
            await AnswerAsync(context, StatusCodes.Status400BadRequest, "Json deserialize error: connect_address is not a name or an address, or connect_port is 0");
            return;
        }
        Opening opening = await listener.OpenAsync(new WarpPort(new Endpoint(publishAddress, wanted.Port), wanted.Uid, target));
        await (opening.Result switch
        {
            OpeningResult.Opened => AnswerAsync(context, StatusCodes.Status200OK, "TcpListener created successfully!"),
            OpeningResult.UidUnknown => AnswerAsync(
                context, StatusCodes.Status500InternalServerError, "No QUIC connection exists for the specified UID."),
            _ => AnswerAsync(
                context, StatusCodes.Status500InternalServerError,
                string.Create(CultureInfo.InvariantCulture, $"Failed to create TcpListener: {opening.Reason} (os error {opening.Errno})")),
        });
    }

    private async Task ListAsync(HttpContext context)
    {
        LegacyOpening[] ports =
        [
            .. from status in await listener.ListAsync()
               let port = status.Port
               select new LegacyOpening { ConnectAddress = port.Target.Host, ConnectPort = port.Target.Port, Port = port.Listen.Port, Uid = port.Uid },
        ];
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(ports, LegacyJson.Default.LegacyOpeningArray), context.RequestAborted);
    }

    private async Task CloseAsync(HttpContext context)
    {
        if (await ReadAsync(context, LegacyJson.Default.LegacyClosing) is not { } wanted)
            return;
        bool wasOpen = await listener.CloseAsync(wanted.Port);
        await AnswerAsync(
            context,
            wasOpen ? StatusCodes.Status200OK : StatusCodes.Status404NotFound,
            string.Create(CultureInfo.InvariantCulture, $"Task {wanted.Port} {(wasOpen ? "canceled" : "not found")}"));
    }

    private static async Task<T?> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
        where T : class
    {
        if (!ApiAccess.IsJson(context.Request))
        {
            await AnswerAsync(context, StatusCodes.Status400BadRequest, "Content type error");
            return null;
        }
        string reason = "null is no object";
        try
        {
            if (await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted) is { } body)
                return body;
        }
        catch (JsonException e)
        {
            reason = e.Message;
        }
        await AnswerAsync(context, StatusCodes.Status400BadRequest, $"Json deserialize error: {reason}");
        return null;
    }
}
