using Microsoft.Extensions.Logging;

namespace Kedge.Node;

/// <summary>What is told about the processes of a node.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Information, Message = "The {Process} runs already, as process {ProcessId}")]
    public static partial void ProcessAdopted(ILogger log, string process, int processId);

    [LoggerMessage(Level = LogLevel.Information, Message = "The {Process} is at work, as process {ProcessId}")]
    public static partial void ProcessStarted(ILogger log, string process, int processId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The {Process} has ended with exit code {ExitCode}; it is started again")]
    public static partial void ProcessEnded(ILogger log, string process, string exitCode);

    [LoggerMessage(Level = LogLevel.Error, Message = "The {Process} could not be started again: {Reason}")]
    public static partial void ProcessNotStarted(ILogger log, string process, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The {Process} could not be watched or started. This is a defect of Kedge")]
    public static partial void WatchFailed(ILogger log, string process, Exception exception);
}
