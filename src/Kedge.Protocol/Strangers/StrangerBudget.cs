using System.Threading;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Strangers;

/// <summary>
/// Work that is done for somebody who has proven nothing: a handshake, an answer, a look into a database. Each source has a budget of its
/// own (see <see cref="SourcePrefix"/>), so one address that floods takes nothing from another; an IPv6 /48 has that of
/// <see cref="SourcesOfSite"/> sources; and all strangers together have one, where <see cref="StrangerLimits.TogetherPerSecond"/> says so.
/// Sources that are known, because somebody there has authenticated lately, have budgets apart: no number of strangers can use them up, or
/// push them out of memory, which is bounded. Nothing is allocated once the tables are full. Any thread.
/// </summary>
public sealed class StrangerBudget
{
    /// <summary>How many times the budget of one source an IPv6 /48 has.</summary>
    public const int SourcesOfSite = 8;

    private static readonly IpAddress Everybody = IpAddress.IPv4(0);

    private readonly Lock _lock = new();
    private readonly SourceBuckets _strangers;
    private readonly SourceBuckets _sites;
    private readonly SourceBuckets _acquaintances;
    private readonly SourceBuckets? _together;

    /// <summary>A budget of which nothing is spent.</summary>
    /// <param name="limits">The limits.</param>
    /// <param name="known">The known sources, if several budgets share them; otherwise the budget has its own.</param>
    /// <exception cref="ArgumentOutOfRangeException">A limit that must be positive is not.</exception>
    public StrangerBudget(StrangerLimits limits, KnownSources? known = null)
    {
        Known = known ?? new KnownSources(limits.MaximumSources);
        _strangers = new SourceBuckets(limits.MaximumSources, limits.PerSecond, limits.Burst);
        _sites = new SourceBuckets(limits.MaximumSources, SourcesOfSite * limits.PerSecond, SourcesOfSite * limits.Burst);
        _acquaintances = new SourceBuckets(limits.MaximumSources, limits.KnownPerSecond, limits.KnownBurst);
        _together = limits.TogetherPerSecond > 0 ? new SourceBuckets(1, limits.TogetherPerSecond, limits.TogetherBurst) : null;
    }

    /// <summary>The sources that are no strangers. Whoever sees somebody authenticate adds the source.</summary>
    public KnownSources Known { get; }

    /// <summary>Spends one piece of work on a source.</summary>
    /// <param name="now">The time.</param>
    /// <param name="address">Where the request came from.</param>
    /// <param name="isKnown">Whether the caller knows the source though nobody there has authenticated lately.</param>
    /// <returns>False, with nothing spent, when there is no budget left: the work is not to be done.</returns>
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
