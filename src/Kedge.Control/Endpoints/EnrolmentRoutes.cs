using Kedge.Control.Identity;
using Kedge.Protocol.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kedge.Control.Endpoints;

/// <summary><c>/enrolments</c>: how nodes join. Open to all, because a node that joins has nothing yet but its proofs.</summary>
internal static class EnrolmentRoutes
{
    public static void MapEnrolments(this RouteGroupBuilder api, Enrolments enrolments, Challenges challenges)
    {
        RouteGroupBuilder routes = api.MapGroup("/enrolments").WithTags("Enrolment");

        routes.MapPost("/challenges", challenges.Create)
            .For(Access.Anyone).WithName("createChallenge").WithSummary("A challenge to prove the possession of keys against.");

        routes.MapPost("", (EnrolmentSubmission body, Caller caller) => enrolments.SubmitAsync(body, caller.Actor.Source))
            .For(Access.Anyone).WithName("enrol").WithSummary("Joins, or comes back, with proofs. May be repeated.").Refuses(400, 403, 409, 429);

        routes.MapPost("/inquiries", (EnrolmentInquiry body) => enrolments.Inquire(body))
            .For(Access.Anyone).WithName("inquire").WithSummary("What has become of a request, under its identity key.").Refuses(400, 403, 404);
    }
}
