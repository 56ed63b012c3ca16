using Kedge.Control.Identity;
using Kedge.Protocol.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kedge.Control.Endpoints;

/// <summary><c>/nodes</c>: as administrators handle them.</summary>
internal static class NodeRoutes
{
    public static void MapNodes(this RouteGroupBuilder api, Registry registry, WireGuardConfiguration configuration)
    {
        RouteGroupBuilder nodes = api.MapGroup("/nodes").WithTags("Nodes");

        nodes.MapGet("", (string? zone, string? status) =>
            {
                if (status is not (null or "active" or "pending"))
                    throw Refusal.Invalid("status", $"{Values.Show(status)} is no status: active and pending are.");
                return registry.List(zone, status);
            })
            .For(Access.Administrator).WithName("listNodes")
            .WithSummary("All nodes, by name; of one zone, or in one status (active or pending).").Refuses(400, 401, 404);

        nodes.MapPost("", async (NodeCreation body, Caller caller) =>
            {
                RegisteredNode node = await registry.CreateAsync(body, caller.Actor);
                return TypedResults.Created($"/api/v1/nodes/{node.Id}", node);
            })
            .For(Access.Administrator).WithName("createNode")
            .WithSummary("Makes a stock WireGuard peer, certified without proof that anybody has its key.").Refuses(400, 401, 409);

        nodes.MapGet("/{node}", (string node, string? zone) => registry.Show(node, zone))
            .For(Access.Administrator).WithName("showNode").WithSummary("One node, by its identifier or name.").Refuses(401, 404, 409);

        nodes.MapPatch("/{node}", (string node, string? zone, NodeChange body, Caller caller) => registry.ChangeAsync(node, zone, body, caller.Actor))
            .For(Access.Administrator).WithName("changeNode").WithSummary("Changes a node's name, tags or endpoint.").Refuses(400, 401, 404, 409);

        nodes.MapDelete("/{node}", async (string node, string? zone, Caller caller) =>
            {
                await registry.RemoveAsync(node, zone, caller.Actor);
                return TypedResults.NoContent();
            })
            .For(Access.Administrator).WithName("removeNode")
            .WithSummary("Removes a node: the others drop it at once, and its identity key is refused from then on.").Refuses(401, 404, 409);

        nodes.MapPost("/{node}/approval", (string node, string? zone, Caller caller) => registry.ApproveAsync(node, zone, caller.Actor))
            .For(Access.Administrator).WithName("approveNode").WithSummary("Approves the child prefixes that a node waits for.").Refuses(401, 404, 409);

        nodes.MapGet("/{node}/wireguard-configuration", (string node, string? zone) => TypedResults.Text(configuration.Of(node, zone), "text/plain"))
            .For(Access.Administrator).WithName("showWireGuardConfiguration")
            .WithSummary("The wg-quick file of a stock WireGuard peer as of now, with a place for its private key, which is to be filled in.")
            .Produces<string>(200, "text/plain").Refuses(401, 404, 409);
    }
}
