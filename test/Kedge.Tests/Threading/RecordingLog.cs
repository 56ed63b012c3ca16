using Microsoft.Extensions.Logging;

namespace Kedge.Tests.Threading;

/// <summary>A log that keeps its lines. Any thread.</summary>
internal sealed class RecordingLog : ILogger
{
    private readonly Lock _lock = new();
    private readonly List<(string Line, TaskCompletionSource Written)> _awaited = [];
    private readonly List<string> _lines = [];

    /// <summary>What was logged so far, each with its exception's message behind it.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock)
                return [.. _lines];
        }
    }

    /// <summary>Waits until so many lines with a part have been logged.</summary>
    public async Task WaitForAsync(string part, int count = 1)
    {
        for (int i = 0; ; i++)
        {
            if (Lines.Count(line => line.Contains(part, StringComparison.Ordinal)) >= count)
                return;
            var written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (_lock)
            {
                if (_lines.Count(line => line.Contains(part, StringComparison.Ordinal)) >= count)
                    return;
                _awaited.Add((part, written));
            }
            await written.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        string line = $"{logLevel}: {formatter(state, exception)} {exception?.Message}";
        lock (_lock)
        {
            _lines.Add(line);
            foreach ((string part, TaskCompletionSource written) in _awaited)
            {
                if (line.Contains(part, StringComparison.Ordinal))
                    written.TrySetResult();
            }
        }
    }
}
