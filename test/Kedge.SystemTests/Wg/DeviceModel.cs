using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.SystemTests.Wg;

/// <summary>
/// A device that keeps its configuration and nothing else, as simple as the specification allows: what stands behind the socket in tests of
/// the socket.
/// </summary>
internal sealed class DeviceModel
{
    private readonly List<Peer> _peers = []; // in the order in which they came
    private readonly Dictionary<PublicKey, Peer> _byKey = [];
    private readonly Dictionary<IpPrefix, Peer> _owners = [];
    private byte[]? _privateKey;
    private ushort _listenPort;
    private uint _fwmark;

    /// <summary>How many changes were applied.</summary>
    public int Changes { get; private set; }

    public ushort ListenPort => _listenPort;

    public int PeerCount => _peers.Count;

    /// <summary>Thrown by the next change in place of being applied.</summary>
    public Exception? NextFailure { get; set; }

    public void Apply(DeviceChange change)
    {
        if (NextFailure is { } failure)
        {
            NextFailure = null;
            throw failure;
        }
        Changes++;
        if (change.PrivateKey is { } key)
            _privateKey = key.Any(part => part != 0) ? [.. key] : null;
        _listenPort = change.ListenPort ?? _listenPort;
        _fwmark = change.Fwmark ?? _fwmark;
        if (change.ReplacePeers)
            Clear(_peers);
        foreach (PeerChange peer in change.Peers)
            Apply(peer);
    }

    public DeviceStatus Status()
    {
        var status = new DeviceStatus { PrivateKey = _privateKey?.ToArray(), ListenPort = _listenPort, Fwmark = _fwmark };
        foreach (Peer peer in _peers)
        {
            var shown = new PeerStatus(peer.Key)
            {
                PresharedKey = peer.PresharedKey?.ToArray(),
                Endpoint = peer.Endpoint,
                PersistentKeepaliveInterval = peer.Keepalive,
            };
            foreach (IpPrefix prefix in peer.AllowedIps)
                shown.AllowedIps.Add(prefix);
            status.Peers.Add(shown);
        }
        return status;
    }

    private void Apply(PeerChange change)
    {
        Peer? peer = _byKey.GetValueOrDefault(change.PublicKey);
        if (change.Remove)
        {
            Clear(peer is null ? [] : [peer]);
            return;
        }
        if (peer is null)
        {
            if (change.UpdateOnly)
                return;
            _peers.Add(peer = new Peer(change.PublicKey));
            _byKey.Add(peer.Key, peer);
        }
        peer.PresharedKey = change.PresharedKey?.ToArray() ?? peer.PresharedKey;
        peer.Endpoint = change.Endpoint ?? peer.Endpoint;
        peer.Keepalive = change.PersistentKeepaliveInterval ?? peer.Keepalive;
        if (change.ReplaceAllowedIps)
            foreach (IpPrefix prefix in peer.AllowedIps.ToArray())
                Take(prefix, peer);
        foreach (AllowedIpChange allowed in change.AllowedIps)
        {
            if (allowed.Remove)
            {
                Take(allowed.Prefix, peer);
                continue;
            }
            if (_owners.TryGetValue(allowed.Prefix, out Peer? owner))
                Take(allowed.Prefix, owner);
            _owners.Add(allowed.Prefix, peer);
            peer.AllowedIps.Add(allowed.Prefix);
        }
    }

    private void Take(IpPrefix prefix, Peer from)
    {
        if (from.AllowedIps.Remove(prefix))
            _owners.Remove(prefix);
    }

    private void Clear(List<Peer> peers)
    {
        foreach (Peer peer in peers.ToArray())
        {
            foreach (IpPrefix prefix in peer.AllowedIps)
                _owners.Remove(prefix);
            _peers.Remove(peer);
            _byKey.Remove(peer.Key);
        }
    }

    private sealed class Peer(PublicKey key)
    {
        public PublicKey Key { get; } = key;

        public byte[]? PresharedKey { get; set; }

        public Endpoint Endpoint { get; set; }

        public ushort Keepalive { get; set; }

        public List<IpPrefix> AllowedIps { get; } = [];
    }
}
