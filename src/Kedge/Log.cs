using Microsoft.Extensions.Logging;

namespace Kedge;

/// <summary>What the program itself says. Never a packet, never a key.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Ready to be configured on {Path}")]
    public static partial void Ready(ILogger log, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "Ends as asked by a signal")]
    public static partial void EndsBySignal(ILogger log);

    [LoggerMessage(Level = LogLevel.Information, Message = "Ends, because {Path} was removed")]
    public static partial void EndsWithoutSocket(ILogger log, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "Ready: nodes join at {Url}")]
    public static partial void ControllerReady(ILogger log, Uri url);
}
