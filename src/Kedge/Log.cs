using Kedge.Protocol.Ip;
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} is passed over: {Reason}")]
    public static partial void StateDamaged(ILogger log, string path, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The device starts without its private key: {Reason}")]
    public static partial void KeyUnknown(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Packets are sealed with {Cipher}")]
    public static partial void Cipher(ILogger log, string cipher);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Interface} was made with one queue and keeps it; delete it to have {Wanted}")]
    public static partial void FewerQueues(ILogger log, string @interface, int wanted);

    [LoggerMessage(Level = LogLevel.Information, Message = "Goes on with {Count} peers that were kept on disk")]
    public static partial void Restored(ILogger log, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Exchanges keys at UDP port {Ports}; peers: {Peers}")]
    public static partial void ExchangesKeys(ILogger log, int peers, string ports);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "No route to {Prefix} is added: it would take the way to the peer itself into the tunnel. Add both by hand")]
    public static partial void DefaultRouteLeftOut(ILogger log, IpPrefix prefix);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Sentence}")]
    public static partial void Joining(ILogger log, string sentence);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Sentence}")]
    public static partial void StartsRemoved(ILogger log, string sentence);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Sentence}")]
    public static partial void SupervisionEnds(ILogger log, string sentence);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Interface} is as its map has it")]
    public static partial void LinkReady(ILogger log, string @interface);
}
