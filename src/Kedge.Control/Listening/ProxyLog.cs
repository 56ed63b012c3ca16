using Kedge.Protocol.Ip;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Listening;

/// <summary>Log messages about load balancers.</summary>
internal static partial class ProxyLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Closed a connection from {Proxy} without a PROXY protocol header of version 2, which --proxy-protocol-from requires from that address: have the load balancer send it (haproxy: send-proxy-v2), or remove the address.")]
    public static partial void HeaderMissing(ILogger log, IpAddress proxy);
}
