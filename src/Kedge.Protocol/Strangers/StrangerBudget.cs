using System.Threading;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Strangers;

/// <summary>
/// Limits the work done for clients that have proven nothing: handshakes, answers, database reads. Each source has its own budget (see
/// <see cref="SourcePrefix"/>), so an address that floods takes nothing from another; an IPv6 /48 has the budget of
/// <see cref="SourcesOfSite"/> sources; and all strangers together have one if <see cref="StrangerLimits.TogetherPerSecond"/> is set. Known
/// sources, from which a client has authenticated lately, have separate budgets: no number of strangers can exhaust them or evict them from
/// memory, which is bounded. Nothing is allocated once the tables are full. Any thread.
/// </summary>
public sealed class StrangerBudget
{
    /// <summary>The budget of an IPv6 /48, in budgets of one source.</summary>
    public const int SourcesOfSite = 8;

    private static readonly IpAddress Everybody = IpAddress.IPv4(0);

    private readonly Lock _lock = new();
    private readonly TokenBuckets<IpAddress> _strangers;
    private readonly TokenBuckets<IpAddress> _sites;
    private readonly TokenBuckets<IpAddress> _acquaintances;
    private readonly TokenBuckets<IpAddress>? _together;

    /// <summary>Creates a budget of which nothing is spent.</summary>
    /// <param name="limits">The limits.</param>
    /// <param name="known">Known sources shared with other budgets; null for the budget's own.</param>
    /// <exception cref="ArgumentOutOfRangeException">A limit that must be positive is not.</exception>
    public StrangerBudget(StrangerLimits limits, KnownSources? known = null)
    {
        Known = known ?? new KnownSources(limits.MaximumSources);
        _strangers = new TokenBuckets<IpAddress>(limits.MaximumSources, limits.PerSecond, limits.Burst);
        _sites = new TokenBuckets<IpAddress>(limits.MaximumSources, SourcesOfSite * limits.PerSecond, SourcesOfSite * limits.Burst);
        _acquaintances = new TokenBuckets<IpAddress>(limits.MaximumSources, limits.KnownPerSecond, limits.KnownBurst);
        _together = limits.TogetherPerSecond > 0 ? new TokenBuckets<IpAddress>(1, limits.TogetherPerSecond, limits.TogetherBurst) : null;
    }

    /// <summary>The known sources. The caller adds a source when a client there authenticates.</summary>
    public KnownSources Known { get; }

    /// <summary>Charges one unit of work to a source.</summary>
    /// <param name="now">The time.</param>
    /// <param name="address">Where the request came from.</param>
    /// <param name="isKnown">Whether to treat the source as known in any case.</param>
    /// <returns>False, with nothing charged, if the budget is used up; the work must not be done then.</returns>
    public bool TrySpend(Instant now, IpAddress address, bool isKnown = false)
    {
        IpAddress source = SourcePrefix.Of(address);
        isKnown |= Known.Contains(now, source);
        lock (_lock)
            return isKnown ? TrySpendOnKnown(now, source) : TrySpendOnStranger(now, source, SourcePrefix.SiteOf(address));
    }

    private bool TrySpendOnKnown(Instant now, IpAddress source)
    {
        if (!_acquaintances.HasToken(now, source))
            return false;
        _acquaintances.Take(now, source);
        return true;
    }

    private bool TrySpendOnStranger(Instant now, IpAddress source, IpAddress site)
    {
        bool isAffordable = _strangers.HasToken(now, source)
            && (site.IsIPv4 || _sites.HasToken(now, site))
            && _together?.HasToken(now, Everybody) != false;
        if (!isAffordable)
            return false;
        _strangers.Take(now, source);
        if (!site.IsIPv4)
            _sites.Take(now, site);
        _together?.Take(now, Everybody);
        return true;
    }
}
