using Microsoft.Extensions.Logging;

namespace Kedge.Control;

/// <summary>What this assembly says, and at which level. Never a packet, never a key, never a token's secret.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Error, Message = "The store {Path} cannot keep changes: {Reason}. What exists is still served.")]
    public static partial void StoreFailed(ILogger log, string path, string reason);
}
