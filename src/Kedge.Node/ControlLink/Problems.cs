using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// What does not work at present. Each problem is told once when it begins and once when it ends, however often it is come upon in between.
/// Any thread.
/// </summary>
public sealed class Problems(ILogger log)
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, string> _current = new(StringComparer.Ordinal);
    private readonly HashSet<string> _limits = new(StringComparer.Ordinal);

    /// <summary>The present problems, as sentences, without limits.</summary>
    public IReadOnlyList<string> Current => Select(isLimit: false);

    /// <summary>What this machine cannot do, which is no fault of the node: it is as well as it can be.</summary>
    public IReadOnlyList<string> Limits => Select(isLimit: true);

    /// <summary>Says how something is.</summary>
    /// <param name="subject">What it is about: one problem at a time.</param>
    /// <param name="problem">What is wrong with it, as a sentence; null for nothing.</param>
    public void Set(string subject, string? problem) => Set(subject, problem, isLimit: false);

    /// <summary>Says what this machine cannot do.</summary>
    /// <param name="subject">What it is about.</param>
    /// <param name="limit">What it cannot do, as a sentence; null for nothing.</param>
    public void SetLimit(string subject, string? limit) => Set(subject, limit, isLimit: true);

    private IReadOnlyList<string> Select(bool isLimit)
    {
        lock (_lock)
            return [.. _current.Where(one => _limits.Contains(one.Key) == isLimit).Select(one => one.Value)];
    }

    private void Set(string subject, string? problem, bool isLimit)
    {
        string? before;
        lock (_lock)
        {
            before = _current.GetValueOrDefault(subject);
            if (isLimit)
                _limits.Add(subject);
            if (problem is null)
                _current.Remove(subject);
            else
                _current[subject] = problem;
        }
        if (problem is not null && problem != before)
            Log.ProblemBegan(log, problem);
        else if (problem is null && before is not null)
            Log.ProblemEnded(log, before);
    }
}
