using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Mesh;

/// <summary>What a peer has asked the controller to tell this node. Nothing in it has been verified, the peer's identity neither.</summary>
/// <param name="From">The peer. It may be unknown to the map: the map and introductions are not in step.</param>
/// <param name="Endpoints">Where it says that it can be reached, best first; at most <see cref="MaximumEndpoints"/>.</param>
/// <param name="Opened">
/// False: "I have opened my NAT towards you, ping me at these endpoints". True: the answer to that, "I have pinged you".
/// </param>
public sealed record PeerIntroduction(Guid From, IReadOnlyList<PeerEndpoint> Endpoints, bool Opened)
{
    /// <summary>How many endpoints of an introduction are kept: each is a place that a peer makes this node send to.</summary>
    public const int MaximumEndpoints = 12;
}
