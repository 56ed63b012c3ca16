using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kedge.Control.Identity;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Primitives;

namespace Kedge.Control.Endpoints;

/// <summary>Who may call a route. Every route says so; one that does not is not served.</summary>
internal enum Access
{
    /// <summary>Anyone who can connect. The route costs next to nothing and reveals nothing of value.</summary>
    Anyone,

    /// <summary>Anyone who can connect, as often as <see cref="Applicants"/> allows. The route itself demands proof.</summary>
    Applicant,

    /// <summary>Who presents an administrator token.</summary>
    Administrator,

    /// <summary>An active node, by its certificate.</summary>
    Node,

    /// <summary>An active node, also with a certificate that has expired: an outage of the controller must not become one of the network.</summary>
    NodeEvenExpired,
}

/// <summary>Who calls, once a route's <see cref="Access"/> is granted. A handler that wants to know takes it as a parameter.</summary>
/// <param name="Actor">For the audit log.</param>
/// <param name="Node">The node that calls, if one does.</param>
internal sealed record Caller(Actor Actor, StoredNode? Node)
{
    /// <summary>The node that calls.</summary>
    /// <exception cref="InvalidOperationException">The route is not for nodes.</exception>
    public StoredNode RequireNode() => Node ?? throw new InvalidOperationException("This route is not for nodes.");

    /// <summary>What the authorization found: the framework calls it for a handler's parameter.</summary>
    public static ValueTask<Caller?> BindAsync(HttpContext context) => ValueTask.FromResult(context.Features.Get<Caller>());
}

/// <summary>Enforces each route's access rule, and what a node may cost.</summary>
internal static class Authorization
{
    private const string Scheme = "Bearer ";

    /// <summary>The longest body of a request that no administrator makes, in bytes.</summary>
    private const int LongestBody = 64 << 10;

    /// <summary>Says who may call a route and, where nodes may, what a call costs.</summary>
    public static TBuilder For<TBuilder>(this TBuilder route, Access access, NodeWork work = NodeWork.Report)
        where TBuilder : IEndpointConventionBuilder => route.WithMetadata(new Rule(access, work));

    /// <summary>Checks every request before its body is read, and the length of the body before it is looked into.</summary>
    public static void UseAuthorization(this WebApplication app, SqliteStore store, Presence presence, NodeBudget budget, Applicants applicants) => app.Use(async (context, next) =>
    {
        // What is no route is the framework's own answer to a method or a type that no route takes.
        if (context.GetEndpoint() is RouteEndpoint endpoint)
        {
            Rule rule = endpoint.Metadata.GetMetadata<Rule>()
                ?? throw new InvalidOperationException($"The route {endpoint.DisplayName} does not say who may call it.");
            context.Features.Set(Authorize(context, rule, store, presence, budget, applicants));
            if (rule.Access != Access.Administrator)
                await BoundBodyAsync(context);
        }
        await next(context);
    });

    /// <summary>
    /// Waits for the whole body, which stays in the connection's buffer, and refuses one that is too long. The framework's JSON reader would report a
    /// body that turns out too long without having announced its length as a defect.
    /// </summary>
    /// <exception cref="BadHttpRequestException">It is too long, or comes too slowly.</exception>
    private static async Task BoundBodyAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpRequestBodyDetectionFeature>() is not { CanHaveBody: true })
            return;
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = LongestBody;
        ReadResult read;
        do
        {
            read = await context.Request.BodyReader.ReadAsync(context.RequestAborted);
            context.Request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
        while (!read.IsCompleted);
    }

    private static Caller Authorize(HttpContext context, Rule rule, SqliteStore store, Presence presence, NodeBudget budget, Applicants applicants)
    {
        string? source = context.Connection.RemoteIpAddress?.ToString();
        switch (rule.Access)
        {
            case Access.Anyone:
                return new Caller(new Actor("anyone", source), null);
            case Access.Applicant:
                applicants.Spend(context);
                return new Caller(new Actor("anyone", source), null);
            case Access.Administrator:
                var administrator = new Caller(new Actor($"administrator {AdministratorOf(context, store)}", source), null);
                context.NoteAuthenticated();
                return administrator;
            default:
                StoredNode node = NodeOf(context, store, mayBeExpired: rule.Access == Access.NodeEvenExpired);
                budget.Spend(node.Id, rule.Work);
                presence.Seen(node.Id);
                context.NoteAuthenticated();
                return new Caller(new Actor($"node {node.Id}", source), node);
        }
    }

    private static string AdministratorOf(HttpContext context, SqliteStore store)
    {
        StringValues header = context.Request.Headers.Authorization;
        if (header.Count != 1 || header[0] is not { } value || !value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            throw Refusal.Unauthorized("An administrator token is needed: Authorization: Bearer TOKEN (kedge login).");
        return store.Read(reader => Administrators.TryAuthenticate(reader, value[Scheme.Length..].Trim()))
            ?? throw Refusal.Unauthorized("The administrator token is not known here. 'kedge controller admin-token' on the controller's machine makes another.");
    }

    /// <summary>
    /// The node whose identity key the TLS handshake has proved. What else the presented certificate says does not count: the store knows
    /// what the node is certified for, and until when.
    /// </summary>
    private static StoredNode NodeOf(HttpContext context, SqliteStore store, bool mayBeExpired)
    {
        X509Certificate2 certificate = context.Connection.ClientCertificate
            ?? throw Refusal.Unauthorized("A node's certificate is needed in the TLS handshake.");
        byte[] identity = SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo());
        return store.Read(reader =>
        {
            StoredNode? node = Nodes.TryFindByIdentityHash(reader, identity);
            return node switch
            {
                null => throw Refusal.Forbidden("No node of this network has this identity key.", RefusalReason.NodeUnknown),
                { Status: StoredNode.Removed } => throw Refusal.Forbidden(
                    $"Node {node.Name} was removed from this network.", RefusalReason.NodeRemoved),
                { Status: not StoredNode.Active } => throw Refusal.Forbidden(
                    $"Node {node.Name} has no certificate yet: it waits to be certified.", RefusalReason.AwaitingApproval),
                _ when !mayBeExpired && reader.Now > node.CertificateTo => throw Refusal.Forbidden(
                    $"The certificate of node {node.Name} has expired at {node.CertificateTo:u}: renew it first.", RefusalReason.CertificateExpired),
                _ => node,
            };
        });
    }

    /// <summary>What a route says about it.</summary>
    /// <param name="Access">Who may call it.</param>
    /// <param name="Work">What a node's call costs.</param>
    internal sealed record Rule(Access Access, NodeWork Work);
}
