using Kedge.Control.Listening;
using Kedge.Control.Scheduling;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Microsoft.AspNetCore.Http;

namespace Kedge.Control.Endpoints;

/// <summary>Limits how often clients that have proven nothing yet may ask to join. Any thread.</summary>
internal sealed class Applicants(KnownSources known, TimeProvider clock)
{
    // A joining node makes two requests, then one every few seconds while it waits for approval. A known source may be a whole site.
    private static readonly StrangerLimits Limits = new(PerSecond: 10, Burst: 100)
    {
        TogetherPerSecond = 200,
        TogetherBurst = 200,
        KnownPerSecond = 200,
        KnownBurst = 1000,
    };

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly StrangerBudget _budget = new(Limits, known);

    /// <summary>Charges one request to its source.</summary>
    /// <exception cref="Refusal">The source, or all strangers together, have used up their budget.</exception>
    public void Spend(HttpContext context)
    {
        if (context.Connection.RemoteIpAddress is not { } address
            || _budget.TrySpend(clock.Now(), IpAddress.FromBytes(address.GetAddressBytes())))
            return;
        throw Refusal.TooManyRequests(Pause, $"More nodes ask to join, from {address} or in all, than can be served: try again in {Pause.TotalSeconds} seconds.");
    }
}

/// <summary>Marks requests as authenticated.</summary>
internal static class AuthenticatedRequests
{
    /// <summary>Records that the request has authenticated: its connection may stay open, and its source becomes known.</summary>
    public static void NoteAuthenticated(this HttpContext context) => context.Features.Get<AnonymousConnection>()?.NoteAuthenticated();
}
