using Kedge.Protocol.Ip;
using Microsoft.Extensions.Logging;

namespace Kedge.Node;

/// <summary>What is told about a node's connection to its controller.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Connected to {Controller}")]
    public static partial void Connected(ILogger log, string controller);

    [LoggerMessage(Level = LogLevel.Warning, Message = "No connection to {Controller}: {Reason} The tunnels go on with what is known; next attempt in {Seconds} s")]
    public static partial void Disconnected(ILogger log, string controller, string reason, double seconds);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Sentence}")]
    public static partial void JoinsAnew(ILogger log, string sentence);

    [LoggerMessage(Level = LogLevel.Information, Message = "The map is at revision {Revision}; peers: {Peers}, refused: {Refused}")]
    public static partial void MapApplied(ILogger log, long revision, int peers, int refused);

    [LoggerMessage(Level = LogLevel.Information, Message = "Starts from the map on disk: {Peers} peers, revision {Revision}")]
    public static partial void MapRestored(ILogger log, int peers, long revision);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} is not used: {Reason}")]
    public static partial void FileNotUsed(ILogger log, string path, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Not installed: {Resource}: {Reason}")]
    public static partial void PeerRefused(ILogger log, string resource, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Problem}")]
    public static partial void ProblemBegan(ILogger log, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "Mended: {Problem}")]
    public static partial void ProblemEnded(ILogger log, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "The certificate is renewed and holds until {End}")]
    public static partial void CertificateRenewed(ILogger log, DateTimeOffset end);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The controller's certificate for this node is not used: {Reason}")]
    public static partial void CertificateNotUsed(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Reachable at {Endpoints}")]
    public static partial void Reachable(ILogger log, string endpoints);

    [LoggerMessage(Level = LogLevel.Information, Message = "The gateway {Gateway} maps UDP port {Port} to {External}")]
    public static partial void PortMapped(ILogger log, IpAddress gateway, int port, Endpoint external);

    [LoggerMessage(Level = LogLevel.Information, Message = "The gateway {Gateway} does not map UDP port {Port}: {Reason}")]
    public static partial void PortNotMapped(ILogger log, IpAddress gateway, int port, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Something failed that should not. It is tried again. This is a defect of Kedge")]
    public static partial void LinkFailed(ILogger log, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Put back {Parts} of {Name}, which another program had deleted")]
    public static partial void RoutingPutBack(ILogger log, string parts, string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Set {Name} up again, which another program had set down or given another MTU")]
    public static partial void InterfaceSetUpAgain(ILogger log, string name);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The controller did not introduce this node to a peer: {Reason}")]
    public static partial void NotIntroduced(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Introduced to {Name} at {Endpoint}")]
    public static partial void Acquainted(ILogger log, string name, Endpoint endpoint);

    [LoggerMessage(Level = LogLevel.Information, Message = "Found {Name}, which has {Address}")]
    public static partial void Found(ILogger log, string name, IpAddress address);

    [LoggerMessage(Level = LogLevel.Information, Message = "Did not find who has {Address}. {Reason}")]
    public static partial void NotFound(ILogger log, IpAddress address, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Not introduced to the node at {Endpoint}. {Reason}")]
    public static partial void NotAcquainted(ILogger log, Endpoint endpoint, string reason);
}
