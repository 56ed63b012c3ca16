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

    /// <summary>The present problems, as sentences.</summary>
    public IReadOnlyList<string> Current
    {
        get
        {
            lock (_lock)
                return [.. _current.Values];
        }
    }

    /// <summary>Says how something is.</summary>
    /// <param name="subject">What it is about: one problem at a time.</param>
    /// <param name="problem">What is wrong with it, as a sentence; null for nothing.</param>
    public void Set(string subject, string? problem)
    {
        string? before;
        lock (_lock)
        {
            before = _current.GetValueOrDefault(subject);
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
