using Microsoft.Extensions.Logging;

namespace Kedge.Node;

/// <summary>What this assembly says, and at which level. Never a packet, never a key.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Error, Message = "UDP port {Port} cannot be used: {Reason}. Set another with listen-port.")]
    public static partial void PortUnavailable(ILogger log, int port, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path}: {Reason}. Handshakes go on; after a restart with a clock that went back, peers may refuse them for a while.")]
    public static partial void TimestampFileFailed(ILogger log, string path, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Interface {Name} is gone: {Reason}")]
    public static partial void InterfaceGone(ILogger log, string name, string reason);
}
