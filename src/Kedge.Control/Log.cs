using Microsoft.Extensions.Logging;

namespace Kedge.Control;

/// <summary>What this assembly says, and at which level. Never a packet, never a key, never a token's secret.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Error, Message = "The store {Path} cannot keep changes: {Reason}. What exists is still served.")]
    public static partial void StoreFailed(ILogger log, string path, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What the controller does by itself has to wait: {Reason}")]
    public static partial void MaintenanceFailed(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed: {Method} {Path}. This is a defect of Kedge")]
    public static partial void RequestFailed(ILogger log, Exception exception, string method, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "Listening on {Address}")]
    public static partial void Listening(ILogger log, string address);
}
