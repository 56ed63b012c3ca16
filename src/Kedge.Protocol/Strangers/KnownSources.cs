using System.Threading;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Strangers;

/// <summary>
/// The sources from which a client has authenticated lately. This proves nothing about later requests from there; it only decides which are
/// served first when there are too many. The number of sources is bounded, and several budgets may share them. Any thread.
/// </summary>
public sealed class KnownSources
{
    /// <summary>How long a source stays known after the last authentication.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly InstantTable<IpAddress> _authenticatedAt;

    /// <summary>Creates an empty set.</summary>
    /// <param name="maximumSources">The most sources remembered. When full, a newcomer replaces one of the oldest.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is not positive.</exception>
    public KnownSources(int maximumSources = 8192)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumSources);
        _authenticatedAt = new InstantTable<IpAddress>(maximumSources);
    }

    /// <summary>Records that a client at an address has authenticated.</summary>
    public void Add(Instant now, IpAddress address)
    {
        IpAddress source = SourcePrefix.Of(address);
        lock (_lock)
            _authenticatedAt.Set(source, now);
    }

    /// <summary>Whether a client at the source of an address has authenticated within the last <see cref="Lifetime"/>.</summary>
    public bool Contains(Instant now, IpAddress address)
    {
        IpAddress source = SourcePrefix.Of(address);
        lock (_lock)
            return _authenticatedAt.TryGet(source, out Instant at) && now - at < Lifetime;
    }
}
