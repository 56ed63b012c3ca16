using Kedge.Control.Identity;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace Kedge.Control.Endpoints;

/// <summary><c>/zones</c></summary>
internal static class ZoneRoutes
{
    public static void MapZones(this RouteGroupBuilder api, SqliteStore store, Registry registry)
    {
        RouteGroupBuilder zones = api.MapGroup("/zones").WithTags("Zones");

        zones.MapGet("", () => store.Read(Zones.List))
            .For(Access.Administrator).WithName("listZones").WithSummary("All zones, by name.").Refuses(401);

        zones.MapPost("", (ZoneCreation body, Caller caller) => CreateAsync(store, body, caller.Actor))
            .For(Access.Administrator).WithName("createZone").WithSummary("Makes a zone.").Refuses(400, 401, 409);

        zones.MapGet("/{zone}", (string zone) => store.Read(reader => Zones.Show(reader, Zones.Find(reader, zone).Id)))
            .For(Access.Administrator).WithName("showZone").WithSummary("One zone, by its name or identifier.").Refuses(401, 404);

        zones.MapPatch("/{zone}", (string zone, ZoneChange body, Caller caller) => ChangeAsync(store, zone, body, caller.Actor))
            .For(Access.Administrator).WithName("changeZone").WithSummary("Changes a zone's name or description.").Refuses(400, 401, 404, 409);

        zones.MapDelete("/{zone}", async (string zone, string? force, Caller caller) =>
            {
                var faults = new Faults();
                bool isForced = Values.ReadFlag(faults, "force", force);
                faults.ThrowIfAny();
                await registry.DeleteZoneAsync(zone, isForced, caller.Actor);
                return TypedResults.NoContent();
            })
            .For(Access.Administrator).WithName("deleteZone")
            .WithSummary("Deletes a zone in which no node is; with force=true its nodes are removed too.").Refuses(400, 401, 404, 409);
    }

    private static async Task<Created<Zone>> CreateAsync(SqliteStore store, ZoneCreation body, Actor actor)
    {
        var faults = new Faults();
        Values.CheckLabel(faults, "name", body.Name);
        Values.CheckDescription(faults, "description", body.Description);
        List<IpPrefix> prefixes = Values.ReadPrefixes(faults, "prefixes", body.Prefixes, 2);
        foreach (IpPrefix prefix in prefixes)
            faults.AddIf("prefixes", AddressRules.CheckZone(prefix));
        if (body.Prefixes.Count == 0)
            faults.Add("prefixes", "There is no prefix: a zone takes its nodes' addresses from one, such as 10.1.0.0/16.");
        if (prefixes is [var one, var other] && one.Address.Size == other.Address.Size)
            faults.Add("prefixes", $"{one} and {other} are of one family: a zone has at most one IPv4 and one IPv6 prefix.");
        faults.ThrowIfAny();
        Zone zone = await store.WriteAsync(change => Zones.Show(change, Zones.Create(change, actor, body.Name, body.Description, prefixes)));
        return TypedResults.Created($"/api/v1/zones/{zone.Id}", zone);
    }

    private static Task<Zone> ChangeAsync(SqliteStore store, string zone, ZoneChange body, Actor actor)
    {
        var faults = new Faults();
        if (body.Name is not null)
            Values.CheckLabel(faults, "name", body.Name);
        if (body.Description is not null)
            Values.CheckDescription(faults, "description", body.Description);
        faults.ThrowIfAny();
        return store.WriteAsync(change =>
        {
            StoredZone found = Zones.Find(change, zone);
            Zones.Update(change, actor, found, body.Name, body.Description);
            return Zones.Show(change, found.Id);
        });
    }
}
