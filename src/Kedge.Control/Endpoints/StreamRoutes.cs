using Kedge.Control.Identity;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Relaying;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Kedge.Control.Endpoints;

/// <summary><c>/node/stream</c>: datagrams to and from nodes of the zone, for a node whose UDP is blocked.</summary>
internal static class StreamRoutes
{
    public static void MapStreams(this RouteGroupBuilder api, StreamHub hub, TimeProvider clock) =>
        api.MapGroup("/node").WithTags("Node")
            .MapGet("/stream", (HttpContext context, Caller caller) => RunAsync(context, caller.RequireNode(), hub, clock))
            .For(Access.NodeEvenExpired, NodeWork.Datagrams).WithName("openStream")
            .WithSummary("Becomes, by HTTP/1.1's Upgrade, a stream of datagrams to and from nodes of the zone that have one too.")
            .Produces(StatusCodes.Status101SwitchingProtocols).Refuses(401, 403, 409, 426, 429);

    private static async Task RunAsync(HttpContext context, StoredNode node, StreamHub hub, TimeProvider clock)
    {
        bool isAsked = string.Equals(context.Request.Headers.Upgrade, StreamUpgrade.Protocol, StringComparison.OrdinalIgnoreCase);
        if (!isAsked || context.Features.Get<IHttpUpgradeFeature>() is not { IsUpgradableRequest: true } upgrade)
        {
            context.Response.Headers.Upgrade = StreamUpgrade.Protocol;
            throw new Refusal(StatusCodes.Status426UpgradeRequired, [new("upgrade", $"Ask by HTTP/1.1 with 'Upgrade: {StreamUpgrade.Protocol}'.")]);
        }
        NodeStream stream = hub.Open(node.Zone, node.Id, node.WireGuardKey)
            ?? throw Refusal.Conflict("The controller is ending, or another node of the zone has a key that begins with the same eight bytes.");
        try
        {
            // It lasts for days, and is silent for minutes.
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
                size.MaxRequestBodySize = null;
            if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } requestRate)
                requestRate.MinDataRate = null;
            if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } responseRate)
                responseRate.MinDataRate = null;
            context.Response.Headers.Upgrade = StreamUpgrade.Protocol;
            await using Stream connection = await upgrade.UpgradeAsync();
            await new HubConnection(hub, stream, connection, clock).RunAsync(context.RequestAborted);
            context.Abort(); // so that what is still being written delays nobody
        }
        finally
        {
            hub.Close(stream);
        }
    }
}
