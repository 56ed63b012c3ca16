using System.Diagnostics.Metrics;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;

namespace Kedge.Control.Introductions;

/// <summary>Finds where a node reads events.</summary>
/// <param name="zone">The node's zone.</param>
/// <param name="node">The node.</param>
/// <returns>What sends it a frame, without waiting; null for a node that is not connected.</returns>
internal delegate Action<byte[]>? StreamFinder(Guid zone, Guid node);

/// <summary>
/// Passes introductions on: what a node says to a peer so that both open their NATs at the same time. They are of use for a second or two,
/// so each goes out at once or not at all; nothing is stored, repeated or logged. Any thread.
/// </summary>
/// <param name="map">The store, which says whether a node that is not connected exists.</param>
/// <param name="find">Finds where a node reads events.</param>
/// <param name="meter">What counts them.</param>
/// <param name="clock">What time it is.</param>
internal sealed class Introducer(IMapSource map, StreamFinder find, Meter meter, TimeProvider clock)
{
    private readonly IntroductionBudget _budget = new(clock);

    private readonly Counter<long> _introductions = meter.CreateCounter<long>(
        "kedge.introductions", description: "Introductions that nodes asked for, by what became of them.");

    /// <summary>Passes an introduction on.</summary>
    /// <param name="zone">The zone of both nodes.</param>
    /// <param name="from">The node that asks.</param>
    /// <param name="introduction">What it asks for.</param>
    /// <param name="cancellation">The node is gone.</param>
    /// <exception cref="StoreException">The store cannot be read.</exception>
    public async Task<IntroductionResult> IntroduceAsync(Guid zone, Guid from, Introduction introduction, CancellationToken cancellation)
    {
        if (find(zone, introduction.Peer) is not { } send)
        {
            IReadOnlyList<MapNode> found = await map.ReadNodesAsync([introduction.Peer], cancellation);
            return Count(found.Any(node => node.Zone == zone) ? IntroductionOutcome.NotConnected : IntroductionOutcome.Unknown);
        }
        TimeSpan wait = _budget.Spend(from, introduction.Peer);
        if (wait > TimeSpan.Zero)
            return Count(IntroductionOutcome.Limited) with { RetryAfter = wait };
        send(MapFrameWriter.Introduction(from, new IntroductionNotice(introduction.Endpoints, introduction.Opened)));
        return Count(IntroductionOutcome.PassedOn);
    }

    private IntroductionResult Count(IntroductionOutcome outcome)
    {
        _introductions.Add(1, new KeyValuePair<string, object?>("outcome", outcome switch
        {
            IntroductionOutcome.PassedOn => "passed-on",
            IntroductionOutcome.Unknown => "unknown",
            IntroductionOutcome.NotConnected => "not-connected",
            _ => "limited",
        }));
        return new IntroductionResult(outcome);
    }
}

/// <summary>What becomes of an introduction.</summary>
internal enum IntroductionOutcome
{
    /// <summary>It goes out on the peer's stream.</summary>
    PassedOn,

    /// <summary>The peer is no active node of the zone.</summary>
    Unknown,

    /// <summary>The peer has no stream open.</summary>
    NotConnected,

    /// <summary>It is one too many.</summary>
    Limited,
}

/// <summary>What has become of an introduction.</summary>
/// <param name="Outcome">What has.</param>
internal readonly record struct IntroductionResult(IntroductionOutcome Outcome)
{
    /// <summary>For one that is too many: the time until the next may be passed on.</summary>
    public TimeSpan RetryAfter { get; init; }
}
