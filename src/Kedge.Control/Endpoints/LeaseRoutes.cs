using Kedge.Control.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Kedge.Control.Endpoints;

/// <summary><c>/leases</c></summary>
internal static class LeaseRoutes
{
    public static void MapLeases(this RouteGroupBuilder api, SqliteStore store)
    {
        RouteGroupBuilder leases = api.MapGroup("/leases").WithTags("Leases");

        leases.MapGet("", (string? zone) => store.Read(reader => Leases.List(reader, zone is null ? null : Zones.Find(reader, zone).Id)))
            .For(Access.Administrator).WithName("listLeases")
            .WithSummary("All addresses and child prefixes that somebody has, waits for, or had until lately; of one zone.").Refuses(401, 404);

        leases.MapDelete("", async (string? zone, string? value, Caller caller) =>
            {
                if (value is null)
                    throw Refusal.Invalid("value", "Which one? Name an address or a prefix as 'kedge lease list' shows it.");
                await store.WriteAsync(change => Leases.EndQuarantine(change, caller.Actor, Zones.Find(change, zone ?? Zones.Default), value));
                return TypedResults.NoContent();
            })
            .For(Access.Administrator).WithName("freeLease").WithSummary("Ends the quarantine of an address or child prefix early.").Refuses(400, 401, 404, 409);
    }
}
