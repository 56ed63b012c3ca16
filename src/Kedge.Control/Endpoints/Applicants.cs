using Kedge.Control.Listening;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;
using Microsoft.AspNetCore.Http;

namespace Kedge.Control.Endpoints;

/// <summary>How often those may ask who have proven nothing yet, because they are about to. Any thread.</summary>
internal sealed class Applicants(KnownSources known, TimeProvider clock)
{
    // A node that joins asks twice, and then once every few seconds while it waits. A site from which somebody has joined may bring many.
    private static readonly StrangerLimits Limits = new(PerSecond: 10, Burst: 100)
    {
        TogetherPerSecond = 200,
        TogetherBurst = 200,
        KnownPerSecond = 200,
        KnownBurst = 1000,
    };

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly StrangerBudget _budget = new(Limits, known);

    /// <summary>Spends the work of one request on its source.</summary>
    /// <exception cref="Refusal">The source, or all strangers together, have asked too often.</exception>
    public void Spend(HttpContext context)
    {
        if (context.Connection.RemoteIpAddress is not { } address
            || _budget.TrySpend(clock.Now(), IpAddress.FromBytes(address.GetAddressBytes())))
            return;
        throw Refusal.TooManyRequests(Pause, $"More nodes ask to join, from {address} or in all, than can be served: try again in {Pause.TotalSeconds} seconds.");
    }
}

/// <summary>A request that has proven who sends it.</summary>
internal static class AuthenticatedRequests
{
    /// <summary>Notes that a request has authenticated: its connection may stay, and its source is no stranger.</summary>
    public static void NoteAuthenticated(this HttpContext context) => context.Features.Get<AnonymousConnection>()?.NoteAuthenticated();
}
