using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Kedge.Control.Endpoints;

/// <summary><c>/health</c> and <c>/metrics</c>: for those who watch the controller.</summary>
internal static class HealthRoutes
{
    public static void MapHealth(this WebApplication app, Readiness readiness, Metrics metrics)
    {
        app.MapGet("/health/live", () => TypedResults.Text("live\n"))
            .For(Access.Anyone).WithTags("Health").WithName("live").WithSummary("Whether the process answers.");

        app.MapGet("/health/ready", () => readiness.IsReady
                ? TypedResults.Text("ready\n")
                : TypedResults.Text("The store cannot keep changes.\n", statusCode: StatusCodes.Status503ServiceUnavailable))
            .For(Access.Anyone).WithTags("Health").WithName("ready").WithSummary("Whether the controller can do its work.");

        app.MapGet("/metrics", () => TypedResults.Text(metrics.Write(), "text/plain; version=0.0.4"))
            .For(Access.Administrator).WithTags("Health").WithName("metrics").WithSummary("Numbers for Prometheus.").Produces<string>(200, "text/plain").Refuses(401);
    }
}
