using System.Threading;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Strangers;

/// <summary>
/// The sources from which somebody has authenticated lately. They are no proof of anything: whoever is there now may be somebody else. They
/// only decide whose requests come first when there are too many. Bounded; several budgets may share it. Any thread.
/// </summary>
public sealed class KnownSources
{
    /// <summary>How long a source stays known after somebody there has last authenticated.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly SourceTable _authenticatedAt;

    /// <summary>No source is known yet.</summary>
    /// <param name="maximumSources">How many are remembered at most; the one that has been silent longest of a few makes room.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is not positive.</exception>
    public KnownSources(int maximumSources = 8192)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumSources);
        _authenticatedAt = new SourceTable(maximumSources);
    }

    /// <summary>Notes that somebody at an address has authenticated.</summary>
    public void Add(Instant now, IpAddress address)
    {
        IpAddress source = SourcePrefix.Of(address);
        lock (_lock)
            _authenticatedAt.Set(source, now);
    }

    /// <summary>Whether somebody at the source of an address has authenticated within the last <see cref="Lifetime"/>.</summary>
    public bool Contains(Instant now, IpAddress address)
    {
        IpAddress source = SourcePrefix.Of(address);
        lock (_lock)
            return _authenticatedAt.TryGet(source, out Instant at) && now - at < Lifetime;
    }
}
