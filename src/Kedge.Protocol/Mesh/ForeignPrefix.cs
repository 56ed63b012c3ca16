using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Mesh;

/// <summary>A prefix that another overlay of the same machine has, so that no peer of this one can have it too.</summary>
/// <param name="Prefix">The prefix.</param>
/// <param name="Interface">The other overlay's interface.</param>
public sealed record ForeignPrefix(IpPrefix Prefix, string Interface);
