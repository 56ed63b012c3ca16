using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// Decides which first messages are answered. Anybody who knows a public key can ask for work, from any invented address; so addresses
/// that no peer is known by have a budget of their own, and take nothing from those that one is. One thread at a time.
/// </summary>
internal sealed class AnswerBudget(RosenpassLimits limits)
{
    private readonly StrangerBudget _sources = new(new StrangerLimits(limits.SourcePerSecond, limits.SourceBurst)
    {
        TogetherPerSecond = limits.StrangersPerSecond,
        TogetherBurst = limits.MaximumAnswersToStrangers,
    });

    private int _answers;
    private int _answersToStrangers;

    /// <summary>Takes a place for an answer, which <see cref="Leave"/> gives back.</summary>
    /// <returns><see cref="RosenpassDropReason.None"/>, or why there is none.</returns>
    public RosenpassDropReason TryEnter(Instant now, Endpoint source, bool isStranger)
    {
        if (_answers >= limits.MaximumAnswers || (isStranger && _answersToStrangers >= limits.MaximumAnswersToStrangers))
            return RosenpassDropReason.Busy;
        if (!_sources.TrySpend(now, source.Address, isKnown: !isStranger))
            return RosenpassDropReason.RateLimited;
        _answers++;
        if (isStranger)
            _answersToStrangers++;
        return RosenpassDropReason.None;
    }

    /// <summary>Notes that somebody at an address has authenticated: from there, peers on other ports are no strangers either.</summary>
    public void NoteAuthenticated(Instant now, Endpoint source) => _sources.Known.Add(now, source.Address);

    /// <summary>Gives a place back.</summary>
    public void Leave(bool isStranger)
    {
        _answers--;
        if (isStranger)
            _answersToStrangers--;
    }
}
