using Kedge.Control.Identity;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace Kedge.Control.Endpoints;

/// <summary><c>/network</c>: what it is, and what its master signs.</summary>
internal static class NetworkRoutes
{
    private const int LongestImport = 8 << 20;

    public static void MapNetwork(this RouteGroupBuilder api, Func<NetworkDescription> describe, Registry registry)
    {
        RouteGroupBuilder network = api.MapGroup("/network").WithTags("Network");

        network.MapGet("", () => describe())
            .For(Access.Administrator).WithName("showNetwork").WithSummary("The network: how it is known, and who certifies its nodes.").Refuses(401);

        network.MapGet("/signing-requests", registry.SigningRequests)
            .For(Access.Administrator).WithName("listSigningRequests").WithSummary("What 'kedge ca sign' is to sign in a locked network.").Refuses(401);

        network.MapPost("/certificates", (CertificateImport body, Caller caller) => registry.ImportCertificatesAsync(body, caller.Actor))
            .For(Access.Administrator).WithName("importCertificates").WithMetadata(new RequestSizeLimitAttribute(LongestImport))
            .WithSummary("Takes certificates that the master of a locked network signed: all, or none when one is refused.").Refuses(400, 401, 409);

        network.MapPost("/revocation-lists", (RevocationListImport body, Caller caller) => registry.ImportRevocationListAsync(body, caller.Actor))
            .For(Access.Administrator).WithName("importRevocationList").WithMetadata(new RequestSizeLimitAttribute(2 * RevocationList.MaximumSize))
            .WithSummary("Takes a revocation list; the nodes that it names are removed.").Refuses(400, 401, 409);
    }
}
