using Kedge.Protocol.Ip;

namespace Kedge.Protocol.PortMapping;

/// <summary>What a gateway has answered to a request for a mapping.</summary>
/// <param name="External">From where the port is reached; none after an error.</param>
/// <param name="Error">Why there is no mapping.</param>
/// <param name="Lifetime">How long the mapping holds, or for how long the error is to be expected again.</param>
internal readonly record struct PortMappingResponse(Endpoint External, PortMappingError Error, TimeSpan Lifetime);
