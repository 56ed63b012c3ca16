using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Dataplane;

/// <summary>
/// What an administrator does to a device: configure it, look at it, take it up and down. Owned by the handshake thread.
/// </summary>
public sealed class DeviceControl(
    WireGuardDevice wireGuard, StunClient stun, UdpPort port, TimestampFile timestamps, ILogger log)
{
    private readonly HashSet<PeerTunnel> _interrupted = [];
    private ushort _listenPort;
    private uint _mark;

    /// <summary>
    /// Opens the port and speaks to peers that want to be kept alive, and to those whose sessions <see cref="Down"/> has ended: they would
    /// go on sending into them for 15 s. A port that cannot be had is logged; it can be set anew.
    /// </summary>
    public void Up()
    {
        if (wireGuard.IsUp)
            return;
        wireGuard.IsUp = true;
        try
        {
            port.Open(_listenPort, _mark);
        }
        catch (LinuxException exception)
        {
            Log.PortUnavailable(log, _listenPort, exception.Message);
        }
        stun.Restart(BootClock.Now);
        foreach (PeerTunnel peer in wireGuard.Peers)
            if (peer.PersistentKeepalive > TimeSpan.Zero || _interrupted.Contains(peer))
                peer.RequestKeepalive();
        _interrupted.Clear();
    }

    /// <summary>Closes the port and ends all sessions.</summary>
    public void Down()
    {
        if (!wireGuard.IsUp)
            return;
        wireGuard.IsUp = false;
        KeepPort();
        port.Close();
        Instant now = BootClock.Now;
        _interrupted.UnionWith(wireGuard.Peers.Where(peer => peer.HasSession(now)));
        wireGuard.ClearSessions();
    }

    /// <summary>Changes the configuration.</summary>
    /// <exception cref="UapiException">The port cannot be had, or there are too many STUN servers; nothing has been changed.</exception>
    public void Apply(DeviceChange change)
    {
        RefuseTooManyStunServers(change);
        if (change.ListenPort is not null || change.Fwmark is not null)
            Listen(change.ListenPort ?? _listenPort, change.Fwmark ?? _mark, moves: change.ListenPort is not null);
        if (change.ReplaceStunServers || change.StunServers.Count > 0)
            stun.Use(BootClock.Now, change.ReplaceStunServers ? change.StunServers : stun.Servers.Concat(change.StunServers));
        if (change.PrivateKey is { } privateKey)
            UsePrivateKey(privateKey);
        if (change.ReplacePeers)
            foreach (PublicKey key in wireGuard.Peers.Select(peer => peer.PublicKey).ToArray())
                wireGuard.RemovePeer(key);
        foreach (PeerChange peer in change.Peers)
            Apply(peer);
    }

    /// <summary>
    /// Applies what was kept by a process before this one, and asks for handshakes with the peers that were in use then. They begin as soon
    /// as the interface is up.
    /// </summary>
    public void Restore(DeviceChange change, IEnumerable<PublicKey> active)
    {
        Apply(change);
        foreach (PublicKey key in active)
            wireGuard.FindPeer(key)?.RequestHandshake();
    }

    /// <summary>The configuration and what has happened since. The caller disposes it, because it holds keys.</summary>
    public DeviceStatus Status()
    {
        Instant now = BootClock.Now;
        DateTimeOffset wallClock = DateTimeOffset.UtcNow;
        var status = new DeviceStatus
        {
            PrivateKey = wireGuard.Identity?.PrivateKey.ToArray(),
            PublicKey = wireGuard.Identity?.PublicKey,
            ListenPort = port.Port != 0 ? (ushort)port.Port : _listenPort,
            Fwmark = _mark,
            Mtu = wireGuard.Mtu,
        };
        foreach (PeerTunnel peer in wireGuard.Peers)
            status.Peers.Add(Status(peer, now, wallClock));
        foreach (DropReason reason in Enum.GetValues<DropReason>())
            if (reason != DropReason.None)
                status.Drops.Add(new NamedCount(reason.ToString(), wireGuard.Drops[reason]));
        status.Gauges.Add(new NamedCount("CookieReplies", wireGuard.CookieReplies));
        foreach (StunResult result in stun.Results)
            status.StunResults.Add(result);
        status.NatMapping = stun.Mapping;
        return status;
    }

    private PeerStatus Status(PeerTunnel peer, Instant now, DateTimeOffset wallClock)
    {
        var status = new PeerStatus(peer.PublicKey)
        {
            PresharedKey = peer.PresharedKey.ToArray(),
            Endpoint = peer.Path?.Remote ?? default,
            LastHandshake = peer.LastHandshake is { } last ? wallClock - (now - last) : null,
            SentBytes = (ulong)peer.SentBytes,
            ReceivedBytes = (ulong)peer.ReceivedBytes,
            PersistentKeepaliveInterval = (ushort)peer.PersistentKeepalive.TotalSeconds,
        };
        foreach (IpPrefix prefix in wireGuard.AllowedIps.PrefixesOf(peer))
            status.AllowedIps.Add(prefix);
        return status;
    }

    private void RefuseTooManyStunServers(DeviceChange change)
    {
        IEnumerable<Endpoint> kept = change.ReplaceStunServers ? [] : stun.Servers;
        if (kept.Concat(change.StunServers).Distinct().Count() > StunClient.MaximumServers)
            throw new UapiException(UapiError.Invalid, $"There are more than {StunClient.MaximumServers} STUN servers.");
    }

    private void Listen(ushort listenPort, uint mark, bool moves)
    {
        try
        {
            if (wireGuard.IsUp && moves)
            {
                port.Open(listenPort, mark);
                stun.Restart(BootClock.Now);
            }
            else if (wireGuard.IsUp)
            {
                port.SetMark(mark);
            }
        }
        catch (LinuxException exception)
        {
            throw new UapiException(exception.Errno, exception.Message);
        }
        (_listenPort, _mark) = (listenPort, mark);
        Instant now = BootClock.Now;
        foreach (PeerTunnel peer in wireGuard.Peers)
        {
            peer.ForgetLocalAddress();
            if (moves && peer.HasSession(now))
            {
                // A peer that only sends would not learn where to. A handshake is repeated until it is answered, but perhaps not begun at once.
                peer.RequestKeepalive();
                peer.RequestHandshake();
            }
        }
    }

    // A random port stays the same when the interface goes down and up, so that peers still find us there.
    private void KeepPort()
    {
        if (port.Port != 0)
            _listenPort = (ushort)port.Port;
    }

    private void UsePrivateKey(ReadOnlySpan<byte> privateKey)
    {
        if (privateKey.IndexOfAnyExcept((byte)0) < 0)
        {
            wireGuard.SetIdentity(null, null);
            return;
        }
        if (wireGuard.Identity is { } current && CryptographicOperations.FixedTimeEquals(current.PrivateKey, privateKey))
            return;
        var identity = new LocalIdentity(privateKey);
        wireGuard.SetIdentity(identity, timestamps.Open(identity.PublicKey, (path, exception) => Log.TimestampFileFailed(log, path, exception.Message)));
    }

    private void Apply(PeerChange change)
    {
        // A device is no peer of itself; a configuration shared by all nodes may list it all the same.
        if (change.PublicKey == wireGuard.Identity?.PublicKey)
            return;
        if (change.Remove)
        {
            wireGuard.RemovePeer(change.PublicKey);
            return;
        }
        if (wireGuard.FindPeer(change.PublicKey) is not { } peer)
        {
            if (change.UpdateOnly)
                return;
            peer = wireGuard.AddPeer(change.PublicKey);
        }
        if (change.PresharedKey is { } presharedKey)
            peer.PresharedKey = presharedKey;
        if (change.Endpoint is { } endpoint)
            peer.Path = new PeerPath(endpoint, default);
        if (change.ReplaceAllowedIps)
        {
            // What the peer keeps is never taken away in between: packets go on while this is done.
            HashSet<IpPrefix> kept = [.. change.AllowedIps.Where(allowed => !allowed.Remove).Select(allowed => allowed.Prefix)];
            foreach (IpPrefix prefix in wireGuard.AllowedIps.PrefixesOf(peer).Where(prefix => !kept.Contains(prefix)))
                wireGuard.AllowedIps.Remove(prefix, peer);
        }
        foreach (AllowedIpChange allowed in change.AllowedIps)
        {
            if (allowed.Remove)
                wireGuard.AllowedIps.Remove(allowed.Prefix, peer);
            else
                wireGuard.AllowedIps.Insert(allowed.Prefix, peer);
        }
        if (change.PersistentKeepaliveInterval is { } interval)
        {
            bool starts = interval > 0 && peer.PersistentKeepalive == TimeSpan.Zero;
            peer.PersistentKeepalive = TimeSpan.FromSeconds(interval);
            if (starts && wireGuard.IsUp)
                peer.RequestKeepalive();
        }
    }
}
