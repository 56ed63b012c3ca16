using System.Globalization;
using System.Security.Cryptography;
using Kedge.Control.Endpoints;
using Kedge.Control.Identity;
using Kedge.Control.Introductions;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Push;

/// <summary><c>/node/map</c> and what nodes say beside it.</summary>
internal static class PushRoutes
{
    private const string StreamType = "application/x-ndjson";
    private const int MostRefused = 1000, LongestReason = 500;

    public static void MapPush(
        this RouteGroupBuilder api, MapPush push, Introducer introducer, Presence presence, NodeBudget budget, ILogger log)
    {
        RouteGroupBuilder node = api.MapGroup("/node").WithTags("Node");

        node.MapGet("/map", (HttpContext context, Caller caller, string? store, string? revision, string? epoch, string? sequence) =>
                StreamAsync(context, caller.RequireNode(), ReadPosition(store, revision, epoch, sequence), push, presence))
            .For(Access.NodeEvenExpired, NodeWork.Stream).WithName("watchMap")
            .WithSummary("The node's map from a position on, a frame of JSON a line, for as long as the connection lasts.")
            .Produces(200, contentType: StreamType).Refuses(400, 401, 403, 429);

        node.MapPut("/endpoints", (EndpointReport body, Caller caller) =>
            {
                var faults = new Faults();
                EnrolmentForm.CheckEndpoints(faults, "endpoints", body.Endpoints);
                faults.ThrowIfAny();
                push.Report(caller.RequireNode().Zone, caller.RequireNode().Id, body.Endpoints);
                return TypedResults.NoContent();
            })
            .For(Access.NodeEvenExpired).WithName("reportEndpoints").WithSummary("Says where the node is reached.").Refuses(400, 401, 403, 429);

        node.MapPost("/acknowledgements", (MapAcknowledgement body, Caller caller) =>
            {
                Check(body);
                Guid id = caller.RequireNode().Id;
                foreach (RefusedResource refused in push.Acknowledgements.Take(id, body).Where(_ => budget.TryLog(id)))
                    Log.RecordRefused(log, id, Values.Show(refused.Resource), Values.Show(refused.Reason, LongestReason));
                return TypedResults.NoContent();
            })
            .For(Access.NodeEvenExpired).WithName("acknowledgeMap").WithSummary("Says which map the node has, and what it could not use.").Refuses(400, 401, 403, 429);

        node.MapPost("/answers", (StreamAnswer body, Caller caller) =>
            {
                push.Duplicates.Answered(caller.RequireNode().Id, body.Question);
                return TypedResults.NoContent();
            })
            .For(Access.NodeEvenExpired).WithName("answerQuestion")
            .WithSummary("Answers a question of the map stream, which shows that somebody reads it.").Refuses(400, 401, 403, 429);

        node.MapPost("/introductions", async (Introduction body, Caller caller, CancellationToken cancellation) =>
            {
                await IntroduceAsync(introducer, caller.RequireNode(), body, cancellation);
                return TypedResults.Accepted((string?)null);
            })
            .For(Access.NodeEvenExpired, NodeWork.Introduction).WithName("introduceNode")
            .WithSummary("Tells a peer of the zone, at once and in its map stream, that the node wants a direct path. Nothing is kept.")
            .Refuses(400, 401, 403, 404, 409, 429);
    }

    private static async Task IntroduceAsync(Introducer introducer, StoredNode node, Introduction body, CancellationToken cancellation)
    {
        var faults = new Faults();
        EnrolmentForm.CheckEndpoints(faults, "endpoints", body.Endpoints);
        if (body.Peer == node.Id)
            faults.Add("peer", $"{body.Peer} is the node that asks: name one of its peers.");
        faults.ThrowIfAny();
        IntroductionResult result = await introducer.IntroduceAsync(node.Zone, node.Id, body, cancellation);
        switch (result.Outcome)
        {
            case IntroductionOutcome.Unknown:
                throw Refusal.NotFound(
                    $"{body.Peer} is no active node of this zone: name one that the map has.", RefusalReason.PeerUnknown);
            case IntroductionOutcome.NotConnected:
                throw Refusal.Conflict(
                    $"Node {body.Peer} is not connected to this controller now: try again once it is.", RefusalReason.PeerNotConnected);
            case IntroductionOutcome.Limited:
                throw Refusal.TooManyRequests(
                    result.RetryAfter,
                    $"Node {body.Peer} is passed more introductions than it could follow, of node {node.Id} or in all: "
                    + $"try again in {Math.Ceiling(result.RetryAfter.TotalSeconds)} s.");
        }
    }

    private static async Task StreamAsync(HttpContext context, StoredNode node, MapPosition from, MapPush push, Presence presence)
    {
        bool compressed = context.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase);
        byte[] identityHash = SHA256.HashData(node.IdentityKey ?? []);
        using MapPush.OpenStream open = await push.OpenAsync(
            node.Zone, node.Id, identityHash, context.Connection.RemoteIpAddress?.ToString() ?? "", compressed, context.RequestAborted)
            ?? throw new Refusal(StatusCodes.Status503ServiceUnavailable, [new("zone", "The controller is ending, or the zone is gone: come back later.")]);
        context.Response.ContentType = StreamType;
        context.Response.Headers.CacheControl = "no-store";
        if (compressed)
            context.Response.Headers.ContentEncoding = "gzip";
        using IDisposable connected = presence.Connect(node.Id);
        try
        {
            await open.Stream.RunAsync(from, context.Response.BodyWriter, context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            context.Abort();
        }
    }

    private static MapPosition ReadPosition(string? store, string? revision, string? epoch, string? sequence)
    {
        var faults = new Faults();
        var position = new MapPosition(ReadId("store", store), ReadNumber("revision", revision), ReadId("epoch", epoch), ReadNumber("sequence", sequence));
        faults.ThrowIfAny();
        return position;

        Guid ReadId(string name, string? value)
        {
            if (!Guid.TryParse(value ?? Guid.Empty.ToString(), out Guid id))
                faults.Add(name, $"{Values.Show(value!)} is no identifier such as {Guid.Empty}.");
            return id;
        }

        long ReadNumber(string name, string? value)
        {
            if (!long.TryParse(value ?? "0", NumberStyles.None, CultureInfo.InvariantCulture, out long number))
                faults.Add(name, $"{Values.Show(value!)} is no number from 0 to {long.MaxValue}.");
            return number;
        }
    }

    private static void Check(MapAcknowledgement body)
    {
        var faults = new Faults();
        if (body.Revision < 0)
            faults.Add("revision", $"{body.Revision} is no revision: they begin at 0.");
        if (body.Refused.Count > MostRefused)
            faults.Add("refused", $"There are {body.Refused.Count} records, but {MostRefused} is the most.");
        if (body.Refused.Any(one => one?.Resource is not { Length: <= LongestReason } || one.Reason is not { Length: <= LongestReason }))
            faults.Add("refused", $"Each needs the name of a record and a reason, of at most {LongestReason} characters.");
        faults.ThrowIfAny();
    }
}
