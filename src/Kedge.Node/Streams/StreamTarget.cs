using System.Net.Security;
using Kedge.Node.Connecting;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.Streams;

/// <summary>Whom a stream may be opened to: a controller, or a node that relays.</summary>
/// <param name="Server">Where it is.</param>
/// <param name="Relay">The relay's WireGuard key, which its certificate has; null for a controller, which is pinned.</param>
public sealed record StreamTarget(EndpointName Server, PublicKey? Relay = null)
{
    /// <inheritdoc/>
    public override string ToString() => Relay is null ? $"the controller at {Server}" : $"the relay at {Server}";

    /// <summary>What a TLS handshake needs to accept this server alone.</summary>
    internal SslClientAuthenticationOptions CreateTlsOptions(StreamAccess access) => Relay is not { } relay
        ? new PinnedServer(access.Pins, TimeProvider.System).CreateTlsOptions()
        : new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = PlatformTrust.None(),
            RemoteCertificateValidationCallback = new NodeVerifier(access.Identity).Accept(node => node.WireGuardKey == relay && node.MayRelay),
        };
}
