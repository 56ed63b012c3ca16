namespace Kedge.Protocol.Api;

/// <summary>
/// What a node asks the controller to tell a peer at once: NATs at both ends let the other's datagrams in only when both are opened at
/// about the same time. Nothing keeps it, and nothing repeats it.
/// </summary>
/// <param name="Peer">The identifier of the node to tell; an active node of the same zone.</param>
/// <param name="Endpoints">Where the asking node can be reached, best first; at most as many as in an <see cref="EndpointReport"/>.</param>
/// <param name="Opened">
/// False: "I have opened my NAT towards you, ping me at these endpoints". True: the answer to that, "I have pinged you".
/// </param>
public sealed record Introduction(Guid Peer, IReadOnlyList<NodeEndpoint> Endpoints, bool Opened);

/// <summary>The value of an introduction in a map stream, which names the node that asks beside it.</summary>
/// <param name="Endpoints">Where that node can be reached, best first.</param>
/// <param name="Opened">As in <see cref="Introduction"/>.</param>
public sealed record IntroductionNotice(IReadOnlyList<NodeEndpoint> Endpoints, bool Opened);
