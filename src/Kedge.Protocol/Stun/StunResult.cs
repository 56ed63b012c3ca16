using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Stun;

/// <summary>What one server has answered.</summary>
/// <param name="Server">The server.</param>
/// <param name="Reflexive">Where the server saw us; none while it has not answered.</param>
public readonly record struct StunResult(Endpoint Server, Endpoint Reflexive);
