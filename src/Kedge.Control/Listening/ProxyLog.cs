using Kedge.Protocol.Ip;
using Microsoft.Extensions.Logging;

namespace Kedge.Control.Listening;

/// <summary>What is logged about proxies.</summary>
internal static partial class ProxyLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "A connection from {Proxy} does not begin with a PROXY protocol header of version 2, and is closed: --proxy-protocol-from names that address. Have the load balancer send the header, or leave its address out.")]
    public static partial void HeaderMissing(ILogger log, IpAddress proxy);
}
