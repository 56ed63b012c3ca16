using Kedge.Protocol.Ip;
using Microsoft.Extensions.Logging;

namespace Kedge.Node;

/// <summary>What this assembly says, and at which level. Never a packet, never a key.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Error, Message = "{Reason}. It is tried again every few seconds; until then nothing is sent or received")]
    public static partial void PortUnavailable(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Reason}. Nobody asked for this port, so the device uses port {Port} instead")]
    public static partial void PortReplaced(ILogger log, string reason, int port);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is sent to the peer at {Endpoint} comes back: the route to {Address} leads through the tunnel itself, or through another one and back. Nothing reaches that peer until there is another one")]
    public static partial void RoutingLoop(ILogger log, Endpoint endpoint, IpAddress address);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Changes of routes cannot be seen: {Reason}. A better route to a peer is taken only when the one in use fails")]
    public static partial void RoutesNotWatched(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "UDP port {Port} is open now")]
    public static partial void PortOpened(ILogger log, int port);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path}: {Reason}. Handshakes go on; after a restart with a clock that went back, peers may refuse them for a while.")]
    public static partial void TimestampFileFailed(ILogger log, string path, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Interface {Name} is gone: {Reason}")]
    public static partial void InterfaceGone(ILogger log, string name, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Interface {Name} is in another network namespace, out of this process's sight. It is taken to be up, with an MTU of {Mtu}, whatever happens there")]
    public static partial void InterfaceOutOfSight(ILogger log, string name, int mtu);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The first routers on the way out are not known: {Reason}")]
    public static partial void RoutersNotFound(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The device's state cannot be kept on disk: {Reason}. It is tried again; until then, a restart begins with what was kept before")]
    public static partial void StateNotKept(ILogger log, string reason);

    [LoggerMessage(
        Level = LogLevel.Error, Message = "The device's state could not be recorded. It is tried again. This is a defect of Kedge")]
    public static partial void StateNotRecorded(ILogger log, Exception exception);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Carried out a configuration request")]
    public static partial void Configured(ILogger log);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Refused a configuration request with error {Errno}: {Reason}")]
    public static partial void RequestRefused(ILogger log, int errno, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A configuration request failed. This is a defect of Kedge")]
    public static partial void RequestFailed(ILogger log, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "User {UserId} may not configure this device; only root and the user it runs as may")]
    public static partial void StrangerRefused(ILogger log, uint userId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "No connection can be accepted on the configuration socket: {Reason}")]
    public static partial void AcceptFailed(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "There is a stream to {Server}: peers that UDP does not reach are reached by it")]
    public static partial void StreamOpened(ILogger log, object server);

    [LoggerMessage(Level = LogLevel.Information, Message = "The stream is closed: {Reason}")]
    public static partial void StreamClosed(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "There is no stream to {Server}, which is tried again: {Reason}")]
    public static partial void StreamFailed(ILogger log, object server, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "This node cannot introduce itself to others: {Reason}")]
    public static partial void KnocksOff(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Nodes whose UDP is blocked are served on TCP port {Port}")]
    public static partial void StreamsServed(ILogger log, int port);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Nodes whose UDP is blocked are not served, which is tried again: TCP port {Port}: {Reason}")]
    public static partial void StreamsNotServed(ILogger log, int port, string reason);
}
