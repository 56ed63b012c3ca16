using Kedge.Protocol.Certificates;

namespace Kedge.Node.ControlLink;

/// <summary>
/// When a certificate is to be renewed: after half its life, a random tenth of it later, so that nodes that were certified together do not
/// come back together. Any thread; pure but for its randomness.
/// </summary>
/// <param name="random">Where the times come from; safe for any thread.</param>
public sealed class RenewalSchedule(Random random)
{
    private static readonly TimeSpan Spread = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LeastRetry = TimeSpan.FromMinutes(1), MostRetry = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private DateTimeOffset _dueAt = DateTimeOffset.MaxValue;

    /// <summary>When it is due; null for never.</summary>
    public DateTimeOffset? DueAt
    {
        get
        {
            lock (_lock)
                return _dueAt == DateTimeOffset.MaxValue ? null : _dueAt;
        }
    }

    /// <summary>Plans the renewal of a certificate; one that is overdue, or expired, is renewed within seconds.</summary>
    public void Plan(NodeCertificate certificate, DateTimeOffset now)
    {
        TimeSpan life = certificate.NotAfter - certificate.NotBefore;
        DateTimeOffset at = certificate.NotBefore + life * (0.5 + random.NextDouble() / 10);
        lock (_lock)
            _dueAt = at > now ? at : now + random.NextDouble() * Spread;
    }

    /// <summary>The attempt failed, or brought nothing new: the next one is some minutes later.</summary>
    public void Retry(DateTimeOffset now)
    {
        lock (_lock)
            _dueAt = now + LeastRetry + random.NextDouble() * (MostRetry - LeastRetry);
    }

    /// <summary>Whether it is time.</summary>
    public bool IsDue(DateTimeOffset now)
    {
        lock (_lock)
            return now >= _dueAt;
    }
}
