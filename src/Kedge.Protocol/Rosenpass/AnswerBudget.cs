using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// Decides which first messages are answered. Anybody who knows a public key can ask for work, from any invented address; so addresses
/// that no peer is known by have a budget of their own, and take nothing from those that one is. One thread at a time.
/// </summary>
internal sealed class AnswerBudget(RosenpassLimits limits)
{
    private static readonly IpAddress AllStrangers = IpAddress.IPv4(0);

    private readonly RateLimiter _sources = new(perSecond: limits.SourcePerSecond);
    private readonly RateLimiter _strangers = new(maximumSources: 1, limits.StrangersPerSecond, burst: limits.MaximumAnswersToStrangers);
    private int _answers;
    private int _answersToStrangers;

    /// <summary>Takes a place for an answer, which <see cref="Leave"/> gives back.</summary>
    /// <returns><see cref="RosenpassDropReason.None"/>, or why there is none.</returns>
    public RosenpassDropReason TryEnter(Instant now, Endpoint source, bool isStranger)
    {
        if (_answers >= limits.MaximumAnswers || (isStranger && _answersToStrangers >= limits.MaximumAnswersToStrangers))
            return RosenpassDropReason.Busy;
        if (!_sources.Allow(now, source.Address) || (isStranger && !_strangers.Allow(now, AllStrangers)))
            return RosenpassDropReason.RateLimited;
        _answers++;
        if (isStranger)
            _answersToStrangers++;
        return RosenpassDropReason.None;
    }

    /// <summary>Gives a place back.</summary>
    public void Leave(bool isStranger)
    {
        _answers--;
        if (isStranger)
            _answersToStrangers--;
    }
}
