using Kedge.Control.Identity;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Kedge.Control.Endpoints;

/// <summary><c>/tokens</c></summary>
internal static class TokenRoutes
{
    private const int MostPrefixes = 64;

    public static void MapTokens(this RouteGroupBuilder api, SqliteStore store, Func<string, string> joinLineOf)
    {
        RouteGroupBuilder tokens = api.MapGroup("/tokens").WithTags("Tokens");

        tokens.MapGet("", () => store.Read(JoinTokens.List))
            .For(Access.Administrator).WithName("listTokens").WithSummary("All tokens, the latest first, without their secrets.").Refuses(401);

        tokens.MapPost("", (TokenCreation body, Caller caller) => CreateAsync(store, body, caller.Actor, joinLineOf))
            .For(Access.Administrator).WithName("createToken")
            .WithSummary("Makes a token. Its secret and the join line are shown this once.").Refuses(400, 401);

        tokens.MapGet("/{token}", (string token) => store.Read(reader => JoinTokens.Find(reader, token)))
            .For(Access.Administrator).WithName("showToken").WithSummary("One token, by its identifier.").Refuses(401, 404);

        tokens.MapDelete("/{token}", async (string token, Caller caller) =>
            {
                await store.WriteAsync(change => JoinTokens.Revoke(change, caller.Actor, token));
                return TypedResults.NoContent();
            })
            .For(Access.Administrator).WithName("revokeToken").WithSummary("Revokes a token. Nodes that joined with it stay.").Refuses(401, 404);
    }

    private static async Task<Created<CreatedToken>> CreateAsync(SqliteStore store, TokenCreation body, Actor actor, Func<string, string> joinLineOf)
    {
        var faults = new Faults();
        Values.CheckDescription(faults, "description", body.Description);
        Values.CheckTags(faults, "tags", body.Tags);
        List<IpPrefix> prefixes = Values.ReadPrefixes(faults, "allowedPrefixes", body.AllowedPrefixes, MostPrefixes);
        foreach (IpPrefix prefix in prefixes)
            faults.AddIf("allowedPrefixes", AddressRules.CheckAny(prefix));
        if (body.MaxUses is < 0 or > 1_000_000)
            faults.Add("maxUses", $"{body.MaxUses} is not from 1 to 1000000, or 0 for any number.");
        if (body.LifetimeSeconds is < 60 or > 31_536_000)
            faults.Add("lifetimeSeconds", $"{body.LifetimeSeconds} is not from 60 (a minute) to 31536000 (a year).");
        faults.ThrowIfAny();
        IpPrefix[] allowed = [.. prefixes];
        (JoinToken token, string secret) = await store.WriteAsync(change =>
        {
            StoredZone zone = Zones.TryFind(change, body.Zone)
                ?? throw Refusal.Invalid("zone", $"There is no zone {Values.Show(body.Zone)}: 'kedge zone list' shows all.");
            return JoinTokens.Create(change, actor, zone, body, allowed);
        });
        return TypedResults.Created($"/api/v1/tokens/{token.Id}", new CreatedToken(token, secret, joinLineOf(secret)));
    }
}
