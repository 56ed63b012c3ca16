namespace Kedge.Protocol.Api;

/// <summary>How a node asks its controller for a stream of datagrams (RFC 9110 section 7.8).</summary>
public static class StreamUpgrade
{
    /// <summary>What the connection is upgraded to: frames as <see cref="Relays.StreamFrame"/> has them.</summary>
    public const string Protocol = "kedge-relay";

    /// <summary>The path of the request.</summary>
    public const string Path = "/api/v1/node/stream";
}
