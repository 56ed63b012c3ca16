using Kedge.Protocol.Rosenpass;
using Microsoft.Extensions.Logging;

namespace Kedge.Node;

// What the key exchange says.
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Error, Message = "Peer {Peer}: its output key cannot be written: {Reason}. It is tried again")]
    public static partial void OutputKeyNotWritten(ILogger log, PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Peer {Peer}: its output key cannot be handed to WireGuard: {Reason}. It is tried again")]
    public static partial void PresharedKeyNotSet(ILogger log, PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Peer {Peer}: its output key could not be delivered. It is tried again")]
    public static partial void OutputKeyNotDelivered(ILogger log, PeerId peer, Exception cause);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Device}: its preshared keys could not be checked. It is tried again")]
    public static partial void DeviceNotChecked(ILogger log, string device, Exception cause);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "Peer {Peer}: {Device} has lost its preshared key, or was given another. It is set again")]
    public static partial void PresharedKeyLost(ILogger log, PeerId peer, string device);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Peer {Peer}: no key was exchanged for {Seconds} s. The preshared key that {Device} had is replaced by a random one")]
    public static partial void PresharedKeyStale(ILogger log, PeerId peer, string device, double seconds);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "'kedge status' will not know when keys were exchanged, as that cannot be recorded: {Reason}")]
    public static partial void ExchangeNotRecorded(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Peer {Peer}: its exchange_command failed: {Reason}")]
    public static partial void ExchangeCommandFailed(ILogger log, PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Peer {Peer}: there is no way to {Endpoint} now: {Reason}. It is looked up again")]
    public static partial void EndpointUnknown(ILogger log, PeerId peer, string endpoint, string reason);
}
