using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Node.Connecting;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.KeyExchange;

/// <summary>
/// A peer of a device of this program, which its configuration socket sets. Its endpoint's name is resolved with every key, and set when
/// something else stands behind it: where the peer has moved to by itself, it may stay.
/// </summary>
/// <param name="directory">Where the device's socket is.</param>
/// <param name="interfaceName">The device's interface.</param>
/// <param name="publicKey">The peer's public key.</param>
public sealed class DevicePeer(string directory, string interfaceName, PublicKey publicKey) : IWireGuardPeer
{
    private static readonly TimeSpan ResolutionTimeout = TimeSpan.FromSeconds(5);

    private Endpoint? _endpoint;

    /// <inheritdoc/>
    public string Interface => interfaceName;

    /// <inheritdoc/>
    public PublicKey PublicKey => publicKey;

    /// <summary>Where the peer is; null when it comes to us.</summary>
    public EndpointName? Endpoint { get; init; }

    /// <summary>Seconds between keepalives; 0 for none.</summary>
    public ushort PersistentKeepalive { get; init; }

    /// <summary>The prefixes that are the peer's.</summary>
    public IReadOnlyList<IpPrefix> AllowedIps { get; init; } = [];

    /// <inheritdoc/>
    public void SetPresharedKeyAlone(ReadOnlySpan<byte> key) => Apply(new PeerChange(publicKey), key);

    /// <inheritdoc/>
    public void SetPresharedKey(ReadOnlySpan<byte> key)
    {
        Endpoint? endpoint = Endpoint is null ? null : Resolve(Endpoint);
        var peer = new PeerChange(publicKey)
        {
            Endpoint = endpoint == _endpoint ? null : endpoint,
            PersistentKeepaliveInterval = PersistentKeepalive,
            ReplaceAllowedIps = true,
        };
        foreach (IpPrefix prefix in AllowedIps)
            peer.AllowedIps.Add(new AllowedIpChange(prefix, Remove: false));
        Apply(peer, key);
        _endpoint = endpoint;
    }

    private void Apply(PeerChange peer, ReadOnlySpan<byte> key)
    {
        peer.PresharedKey = GC.AllocateUninitializedArray<byte>(key.Length, pinned: true);
        key.CopyTo(peer.PresharedKey);
        using var change = new DeviceChange();
        change.Peers.Add(peer);
        try
        {
            UapiClient.Apply(directory, interfaceName, change);
        }
        catch (UapiException e)
        {
            throw new UserError($"{interfaceName} refuses the peer {publicKey}: {e.Message}", e);
        }
    }

    /// <summary>What stands behind the name now, or stood there before if that cannot be found out.</summary>
    private Endpoint? Resolve(EndpointName name)
    {
        using var ending = new CancellationTokenSource(ResolutionTimeout);
        try
        {
            Endpoint[] found = name.ResolveAsync(ending.Token).GetAwaiter().GetResult();
            return _endpoint is { } before && found.Contains(before) ? before : found[0];
        }
        catch (Exception e) when (e is SocketException or LinuxException or OperationCanceledException)
        {
            return _endpoint ?? throw new UserError($"there is no way to {name} now: {e.Message}", e);
        }
    }
}
