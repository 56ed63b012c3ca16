using System.Security.Cryptography;
using System.Text.Json.Serialization;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.Dataplane;

/// <summary>
/// What a node process must know to start by itself and be what it was: everything that was applied to it, and where its peers are. Of its
/// own key it has only the place. It owns the preshared keys in it.
/// </summary>
public sealed record NodeState
{
    /// <summary>A peer that was in use less than this long ago is spoken to at once: its session may still be alive at its end.</summary>
    public static readonly TimeSpan ActiveTime = TimeSpan.FromSeconds(180); // WireGuard's Reject-After-Time

    /// <summary>The file with the private key; null where nobody has named one.</summary>
    public string? PrivateKeyFile { get; init; }

    /// <summary>The UDP port; 0 for a random one.</summary>
    public ushort ListenPort { get; init; }

    /// <summary>Whether somebody has asked for <see cref="ListenPort"/>, so that no other will do.</summary>
    public bool HasFixedPort { get; init; }

    /// <summary>The mark of the device's datagrams; 0 for none.</summary>
    public uint Fwmark { get; init; }

    /// <summary>The STUN servers, as <c>ADDRESS:PORT</c>.</summary>
    public IReadOnlyList<string> StunServers { get; init; } = [];

    /// <summary>The peers.</summary>
    public IReadOnlyList<NodePeer> Peers { get; init; } = [];

    /// <summary>What there is to keep of a device. It takes copies of the preshared keys.</summary>
    public static NodeState Of(DeviceStatus status, string? privateKeyFile) => new()
    {
        PrivateKeyFile = privateKeyFile,
        ListenPort = status.ConfiguredPort,
        HasFixedPort = status.HasFixedPort,
        Fwmark = status.Fwmark,
        StunServers = [.. status.StunResults.Select(result => result.Server.ToString())],
        Peers = [.. status.Peers.Select(NodePeer.Of)],
    };

    /// <summary>
    /// What is to be applied to a device without peers, but for the port. The caller disposes it; it has copies of the preshared keys.
    /// </summary>
    /// <exception cref="FormatException">A value is none.</exception>
    public DeviceChange ToChange()
    {
        var change = new DeviceChange { Fwmark = Fwmark };
        foreach (string server in StunServers)
            change.StunServers.Add(Endpoint.Parse(server));
        foreach (NodePeer peer in Peers)
            change.Peers.Add(peer.ToChange());
        return change;
    }

    /// <summary>Zeroes the preshared keys.</summary>
    public void Clear()
    {
        foreach (NodePeer peer in Peers)
            CryptographicOperations.ZeroMemory(peer.PresharedKey);
    }

    /// <summary>The peers that were in use lately.</summary>
    public IEnumerable<PublicKey> ActivePeers(DateTimeOffset now) =>
        from peer in Peers
        where now - peer.LastHandshake < ActiveTime
        select PublicKey.Parse(peer.PublicKey);
}

/// <summary>What a node process must know of a peer.</summary>
public sealed record NodePeer
{
    /// <summary>Its public key in base64.</summary>
    public required string PublicKey { get; init; }

    /// <summary>The preshared key, 32 bytes; null for none.</summary>
    public byte[]? PresharedKey { get; init; }

    /// <summary>Where it was last heard from, or is configured to be; null for neither.</summary>
    public string? Endpoint { get; init; }

    /// <summary>Seconds between keepalives; 0 for none.</summary>
    public ushort PersistentKeepalive { get; init; }

    /// <summary>When the last handshake ended, by the wall clock; null for never.</summary>
    public DateTimeOffset? LastHandshake { get; init; }

    /// <summary>Its prefixes.</summary>
    public IReadOnlyList<string> AllowedIps { get; init; } = [];

    internal static NodePeer Of(PeerStatus status) => new()
    {
        PublicKey = status.PublicKey.ToString(),
        PresharedKey = status.HasPresharedKey ? [.. status.PresharedKey!] : null,
        Endpoint = status.Endpoint.IsNone || StreamAddress.IsStream(status.Endpoint.Address) ? null : status.Endpoint.ToString(),
        PersistentKeepalive = status.PersistentKeepaliveInterval,
        // The wall clock's whole seconds, or the same handshake would seem to change from one look to the next.
        LastHandshake = status.LastHandshake is { } last ? DateTimeOffset.FromUnixTimeSeconds((last + TimeSpan.FromSeconds(0.5)).ToUnixTimeSeconds()) : null,
        AllowedIps = [.. status.AllowedIps.Select(prefix => prefix.ToString())],
    };

    internal PeerChange ToChange()
    {
        var change = new PeerChange(Protocol.WireGuard.PublicKey.Parse(PublicKey))
        {
            PresharedKey = PresharedKey is { } key ? [.. key] : null,
            Endpoint = Endpoint is { } text ? Protocol.Ip.Endpoint.Parse(text) : null,
            PersistentKeepaliveInterval = PersistentKeepalive,
        };
        if (change.PresharedKey is { Length: not Protocol.WireGuard.PublicKey.Size })
            throw new FormatException($"The preshared key of peer {PublicKey} has {change.PresharedKey.Length} bytes, not {Protocol.WireGuard.PublicKey.Size}.");
        foreach (string prefix in AllowedIps)
            change.AllowedIps.Add(new AllowedIpChange(IpPrefix.Parse(prefix), Remove: false));
        return change;
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(NodeState))]
internal sealed partial class NodeStateJson : JsonSerializerContext;
