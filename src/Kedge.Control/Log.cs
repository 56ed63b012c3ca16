using System.Net;
using Microsoft.Extensions.Logging;

namespace Kedge.Control;

/// <summary>What this assembly says, and at which level. Never a packet, never a key, never a token's secret.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Error, Message = "The store {Path} cannot keep changes: {Reason}. What exists is still served.")]
    public static partial void StoreFailed(ILogger log, string path, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What the controller does by itself has to wait: {Reason}")]
    public static partial void MaintenanceFailed(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Work} failed. It is tried again. This is a defect of Kedge")]
    public static partial void WorkFailed(ILogger log, Exception exception, string work);

    [LoggerMessage(
        Level = LogLevel.Critical, Message = "The store {Path} takes no changes any more: restart the controller. This is a defect of Kedge")]
    public static partial void StoreEnded(ILogger log, Exception exception, string path);

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed: {Method} {Path}. This is a defect of Kedge")]
    public static partial void RequestFailed(ILogger log, Exception exception, string method, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "Listening on {Address}")]
    public static partial void Listening(ILogger log, string address);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The changes of the store cannot be read: {Reason}. Nodes keep what they have.")]
    public static partial void ChangesUnreadable(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Zone {Zone} cannot be read: {Reason}. Its nodes keep what they have.")]
    public static partial void MapUnreadable(ILogger log, Guid zone, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Node {Node} is left out of its zone's map: {Reason}")]
    public static partial void RecordLeftOut(ILogger log, Guid node, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Node {Node} cannot use {Resource}: {Reason}")]
    public static partial void RecordRefused(ILogger log, Guid node, string resource, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Node {Node} has said {Lines} more lines than are logged of one node.")]
    public static partial void LinesLeftOut(ILogger log, Guid node, long lines);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Two machines use the keys of node {Name} ({Node}) at the same time, from {Sources}: a copy of its disk runs as well. Neither is reached reliably until one of them ends.")]
    public static partial void NodeDuplicated(ILogger log, string name, Guid node, string sources);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Where nodes are reached cannot be kept: {Reason}")]
    public static partial void EndpointsUnwritten(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "STUN cannot use {Address}, UDP port {Port}, as the other port: {Reason}. Nodes cannot tell what a NAT lets in; --stun-other-port names another one.")]
    public static partial void OtherStunPortUnavailable(ILogger log, IPAddress address, int port, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "STUN cannot use {Address}, UDP port {Port}: {Reason}. Nodes behind a NAT learn their address elsewhere, or not at all.")]
    public static partial void StunUnavailable(ILogger log, IPAddress address, int port, string reason);
}
