namespace Kedge.Protocol.Api;

/// <summary>The value of <c>peer/ID</c>: a node as the others of its zone see it. What its certificate says is not said again.</summary>
/// <param name="Certificate">The certificate, DER; base64 in JSON.</param>
/// <param name="Endpoint">Where an administrator says that it can be reached, as <see cref="Ip.Endpoint"/> writes it; null for nothing said.</param>
public sealed record PeerResource(byte[] Certificate, string? Endpoint = null);

/// <summary>The value of <c>endpoints/ID</c>: where a node can be reached at present.</summary>
/// <param name="Endpoints">Best first; empty when it is not known.</param>
public sealed record EndpointsResource(IReadOnlyList<NodeEndpoint> Endpoints);

/// <summary>The value of <c>zone</c>.</summary>
/// <param name="Id">The zone's identifier.</param>
/// <param name="Name">Its name.</param>
/// <param name="Prefixes">Its prefixes in CIDR notation, one a family.</param>
public sealed record ZoneResource(Guid Id, string Name, IReadOnlyList<string> Prefixes);

/// <summary>The value of <c>trust</c>: what certificates are checked with. The network's identifier is not in it: the node pins that.</summary>
/// <param name="Authorities">Certificates of the network's authorities, DER; base64 in JSON.</param>
/// <param name="RevocationLists">Their revocation lists (RFC 5280 section 5), DER; base64 in JSON.</param>
public sealed record TrustResource(IReadOnlyList<byte[]> Authorities, IReadOnlyList<byte[]> RevocationLists);

/// <summary>The value of <c>settings</c>: what all nodes of the network are told.</summary>
/// <param name="StunServers">Where a node asks for its reflexive endpoint, as <c>HOST:PORT</c>, UDP.</param>
/// <param name="ServerPins">
/// By what the controller can be known, the present authority first: SHA-256 of SubjectPublicKeyInfo, base64url. Null where it does not say.
/// </param>
/// <param name="ControllerUrls">
/// Where the controller is, as <c>https://HOST:PORT</c>, best first. Null where it does not say: then what a node knows stays as it is.
/// </param>
public sealed record SettingsResource(
    IReadOnlyList<string> StunServers, IReadOnlyList<string>? ServerPins = null, IReadOnlyList<string>? ControllerUrls = null);
