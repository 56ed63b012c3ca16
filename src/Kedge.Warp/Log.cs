using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;
using Microsoft.Extensions.Logging;

namespace Kedge.Warp;

/// <summary>What this assembly says. Never a key, never a token, never what a connection carries.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Error, Message = "The warp's thread has ended. This is a defect of Kedge")]
    public static partial void ThreadFailed(ILogger log, Exception exception);

    [LoggerMessage(Level = LogLevel.Information, Message = "Connectors are awaited at UDP {Address}, by ngtcp2 {Version}")]
    public static partial void Listening(ILogger log, Endpoint address, string version);

    [LoggerMessage(Level = LogLevel.Information, Message = "The API answers at {Address}")]
    public static partial void ApiListening(ILogger log, Uri address);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The kernel grants little room for datagrams: set net.core.rmem_max and net.core.wmem_max to 8388608, or expect less throughput")]
    public static partial void ShortQueue(ILogger log);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A connector at {Address} is not let in: {Reason}")]
    public static partial void ConnectorRefused(ILogger log, Endpoint address, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Connector {Uid} is there, from {Address}, by {Protocol}")]
    public static partial void ConnectorArrived(ILogger log, string uid, Endpoint address, string protocol);

    [LoggerMessage(Level = LogLevel.Information, Message = "Connector {Uid} is gone: {Reason}")]
    public static partial void ConnectorLeft(ILogger log, string uid, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Port {Port} leads to {Target} at {Uid}")]
    public static partial void PortOpened(ILogger log, int port, WarpTarget target, string uid);

    [LoggerMessage(Level = LogLevel.Information, Message = "Port {Port} is closed")]
    public static partial void PortClosed(ILogger log, int port);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Port {Port} cannot be opened, and is tried again: {Reason}")]
    public static partial void PortUnavailable(ILogger log, int port, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Uid} does not reach {Target}: {Reason}")]
    public static partial void CallRefused(ILogger log, string uid, WarpTarget target, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed: {Method} {Path}. This is a defect of Kedge")]
    public static partial void RequestFailed(ILogger log, Exception exception, string method, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "Connected to {Server}, by {Protocol}")]
    public static partial void Connected(ILogger log, string server, string protocol);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Not connected to {Server}: {Reason}. The next attempt is in {Seconds:0.0} s")]
    public static partial void Disconnected(ILogger log, string server, string reason, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Target}, which the listener asks for, is not connected to: {Reason}")]
    public static partial void TargetRefused(ILogger log, WarpTarget target, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Certificates were read anew")]
    public static partial void CertificatesRead(ILogger log);

    [LoggerMessage(Level = LogLevel.Error, Message = "Certificates cannot be read anew, and stay as they are: {Reason}")]
    public static partial void CertificatesUnreadable(ILogger log, string reason);
}
