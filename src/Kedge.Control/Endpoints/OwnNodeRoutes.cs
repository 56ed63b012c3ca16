using Kedge.Control.Identity;
using Kedge.Protocol.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kedge.Control.Endpoints;

/// <summary><c>/node</c>: what a node does about itself, known by its certificate.</summary>
internal static class OwnNodeRoutes
{
    public static void MapOwnNode(this RouteGroupBuilder api, Enrolments enrolments, Registry registry)
    {
        RouteGroupBuilder node = api.MapGroup("/node").WithTags("Node");

        node.MapPost("/certificate", (CertificateRenewal? body, Caller caller) => enrolments.RenewAsync(caller.RequireNode().Id, body))
            .For(Access.NodeEvenExpired, NodeWork.Change).WithName("renewCertificate")
            .WithSummary("A new certificate if it is time for one, otherwise the present one. Also for one that has expired.").Refuses(400, 401, 403, 429);

        node.MapDelete("", async (Caller caller) =>
            {
                await registry.LeaveAsync(caller.RequireNode().Id, caller.Actor, "node.leave");
                return TypedResults.NoContent();
            })
            .For(Access.NodeEvenExpired, NodeWork.Change).WithName("leave").WithSummary("Leaves the network. To come back a node needs a token.").Refuses(401, 403, 429);
    }
}
