using System.Diagnostics.Metrics;
using Kedge.Control.Store;
using Kedge.Protocol.Api;

namespace Kedge.Control.Push;

/// <summary>Where the push side has what it tells.</summary>
/// <param name="Map">The store.</param>
/// <param name="Endpoints">Where nodes are reached.</param>
/// <param name="Trust">What certificates are checked with, as of now. Throws where the store cannot be read.</param>
/// <param name="Settings">What all nodes are told, as of now.</param>
/// <param name="Counters">What is counted.</param>
/// <param name="Clock">What time it is.</param>
internal sealed record PushSources(
    IMapSource Map, EndpointBoard Endpoints, Func<TrustResource> Trust, Func<SettingsResource> Settings, PushCounters Counters, TimeProvider Clock);

/// <summary>What the push side counts.</summary>
internal sealed class PushCounters(Meter meter)
{
    private static readonly KeyValuePair<string, object?> First = new("kind", "first"), Later = new("kind", "later");

    private readonly Counter<long> _bytes = meter.CreateCounter<long>(
        "kedge.push.bytes", description: "Bytes of map streams, before TLS: those of nodes' first maps, and all later ones.");

    /// <summary>Counts bytes that were sent, before TLS.</summary>
    /// <param name="count">How many.</param>
    /// <param name="isFirst">Whether they bring a node its first map.</param>
    public void CountBytes(int count, bool isFirst) => _bytes.Add(count, isFirst ? First : Later);

    /// <summary>Whole maps that were sent.</summary>
    public Counter<long> Snapshots { get; } = meter.CreateCounter<long>("kedge.push.snapshots", description: "Whole maps that were sent.");

    /// <summary>Changes of maps that were sent.</summary>
    public Counter<long> Deltas { get; } = meter.CreateCounter<long>("kedge.push.deltas", description: "Batches of changes that were sent.");

    /// <summary>Streams that ended because their node did not read them.</summary>
    public Counter<long> Stuck { get; } = meter.CreateCounter<long>("kedge.push.stuck", description: "Streams that ended because nobody read them.");

    /// <summary>Introductions that were dropped because their node does not read its stream.</summary>
    public Counter<long> DroppedIntroductions { get; } = meter.CreateCounter<long>(
        "kedge.push.introductions.dropped", description: "Introductions that were dropped because nobody read the stream.");

    /// <summary>Records that were left out of maps because they make no sense.</summary>
    public Counter<long> BadRecords { get; } = meter.CreateCounter<long>("kedge.push.bad.records", description: "Records that were left out of maps.");
}
