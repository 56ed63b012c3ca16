using System.Text.Json.Nodes;
using Kedge.Protocol.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace Kedge.Control.Endpoints;

/// <summary>The description of the interface (OpenAPI 3.1), made from the routes themselves. <c>docs/openapi.json</c> is its text.</summary>
internal static class InterfaceDescription
{
    private const string Name = "v1";
    private const string Bearer = "administratorToken";
    private const string Certificate = "nodeCertificate";

    public static void AddInterfaceDescription(this IServiceCollection services) => services.AddOpenApi(Name, options =>
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.AddDocumentTransformer((document, _, _) =>
        {
            Describe(document);
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            if (context.JsonTypeInfo.Type == typeof(RefusalReason) || context.JsonTypeInfo.Type == typeof(RefusalReason?))
                DescribeReasons(schema);
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, _) =>
        {
            Secure(operation, context);
            return Task.CompletedTask;
        });
    });

    public static void MapInterfaceDescription(this RouteGroupBuilder api, Func<Task<string>> write) =>
        api.MapGet("/openapi.json", async () => TypedResults.Text(await write(), "application/json"))
            .For(Access.Administrator).ExcludeFromDescription();

    /// <summary>The text, with a line end behind it.</summary>
    public static async Task<string> WriteAsync(IServiceProvider services)
    {
        OpenApiDocument document = await services.GetRequiredKeyedService<IOpenApiDocumentProvider>(Name).GetOpenApiDocumentAsync();
        return await document.SerializeAsJsonAsync(OpenApiSpecVersion.OpenApi3_1) + "\n";
    }

    private static void Describe(OpenApiDocument document)
    {
        document.Info = new OpenApiInfo
        {
            Title = "Kedge controller",
            Version = Name,
            Description = "Zones, nodes, tokens, leases and the audit log of a network, and how nodes join it. Refusals are problems (RFC 9457).",
        };
        document.Servers = [];
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [Bearer] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "An administrator token." },
            [Certificate] = new OpenApiSecurityScheme { Type = SecuritySchemeType.MutualTLS, Description = "A node's certificate, in the TLS handshake." },
        };
    }

    // Its converter is its own, so the framework sees nothing but that there is a value.
    private static void DescribeReasons(OpenApiSchema schema)
    {
        schema.Type = JsonSchemaType.String;
        IEnumerable<RefusalReason> given = Enum.GetValues<RefusalReason>().Where(reason => reason != RefusalReason.None);
        schema.Enum = [.. given.Select(reason => JsonValue.Create(reason.Text()))];
    }

    /// <summary>Writes down who may call a route, and that every refusal is a problem.</summary>
    private static void Secure(OpenApiOperation operation, OpenApiOperationTransformerContext context)
    {
        Access? access = context.Description.ActionDescriptor.EndpointMetadata.OfType<Authorization.Rule>().SingleOrDefault()?.Access;
        string? scheme = access switch
        {
            Access.Administrator => Bearer,
            Access.Node or Access.NodeEvenExpired => Certificate,
            _ => null,
        };
        operation.Security = scheme is null ? [] : [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(scheme, context.Document)] = [] }];
    }
}
