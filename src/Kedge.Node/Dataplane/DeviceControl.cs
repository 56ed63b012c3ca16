using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Dataplane;

/// <summary>
/// What an administrator does to a device: configure it, look at it, take it up and down. Owned by the handshake thread; what belongs to the
/// control thread is handed over to it.
/// </summary>
/// <param name="wireGuard">The state of the tunnels.</param>
/// <param name="stun">The STUN servers, of which any thread may read the list.</param>
/// <param name="paths">The paths to peers.</param>
/// <param name="knocks">Introductions without a controller.</param>
/// <param name="lookups">Who finds out who has an address.</param>
/// <param name="controlThread">Takes what is to be done on the control thread.</param>
/// <param name="port">The UDP port.</param>
/// <param name="timestamps">Where timestamps are kept.</param>
/// <param name="log">Receives what happens.</param>
public sealed class DeviceControl(
    WireGuardDevice wireGuard,
    StunClient stun,
    PathControl paths,
    KnockControl knocks,
    LookupControl lookups,
    RequestQueue controlThread,
    ListeningPort port,
    TimestampFile timestamps,
    ILogger log)
{
    private static readonly TimeSpan LoopInterval = TimeSpan.FromMinutes(1);

    private readonly HashSet<PeerTunnel> _interrupted = [];
    private readonly HashSet<PublicKey> _probed = [];
    private Instant _loopTellableAt;

    /// <summary>
    /// Opens the port and speaks to peers that want to be kept alive, and to those whose sessions <see cref="Down"/> has ended: they would
    /// go on sending into them for 15 s. A port that cannot be had is logged and tried again by <see cref="Poll"/>.
    /// </summary>
    public void Up()
    {
        if (wireGuard.IsUp)
            return;
        wireGuard.IsUp = true;
        if (port.Up(BootClock.Now))
            SpeakUp();
    }

    /// <summary>Closes the port and ends all sessions.</summary>
    public void Down()
    {
        if (!wireGuard.IsUp)
            return;
        wireGuard.IsUp = false;
        port.Down();
        wireGuard.ListenPort = 0;
        Instant now = BootClock.Now;
        _interrupted.UnionWith(wireGuard.Peers.Where(peer => peer.HasSession(now)));
        wireGuard.ClearSessions();
    }

    /// <summary>Does what is due now.</summary>
    /// <returns>When there is something to do again.</returns>
    public Instant Poll()
    {
        Instant now = BootClock.Now;
        if (port.TryAgain(now))
            SpeakUp();
        if (now >= _loopTellableAt && wireGuard.TakeLooping()?.Path is { } path)
        {
            _loopTellableAt = now + LoopInterval;
            Log.RoutingLoop(log, path.Remote, path.Remote.Address);
        }
        return port.RetryAt;
    }

    /// <summary>Changes the configuration.</summary>
    /// <exception cref="UapiException">The port cannot be had, or there are too many STUN servers; nothing has been changed.</exception>
    public void Apply(DeviceChange change)
    {
        RefuseTooManyStunServers(change);
        if (change.ListenPort is not null || change.Fwmark is not null)
            Listen(change.ListenPort, change.Fwmark ?? port.Mark);
        if (change.ReplaceStunServers || change.StunServers.Count > 0)
        {
            Endpoint[] servers = [.. change.ReplaceStunServers ? change.StunServers : stun.Servers.Concat(change.StunServers)];
            controlThread.Post(() => stun.Use(BootClock.Now, servers));
        }
        if (change.Overlay is not null || change.InternalNetwork is not null)
        {
            (IReadOnlyList<IpPrefix>? overlay, bool? isInternal) = (change.Overlay, change.InternalNetwork);
            controlThread.Post(() => paths.UseOverlay(overlay, isInternal));
            if (overlay is not null)
                controlThread.Post(() => lookups.UseOverlay(overlay));
        }
        if (change.Relay is { } isRelay)
        {
            long rate = change.RelayRate;
            controlThread.Post(() => paths.UseRelay(isRelay, rate));
        }
        if (change.Stream is { } stream)
            controlThread.Post(() => paths.UseStream(stream));
        if (change.PrivateKey is { } privateKey)
            UsePrivateKey(privateKey);
        if (change.Knock is { } isOn)
            controlThread.Post(() =>
            {
                knocks.Use(isOn ? paths.Identity : null);
                lookups.Use(knocks.IsOn);
            });
        foreach (Endpoint at in change.KnockAt)
            controlThread.Post(() => knocks.Knock(at));
        foreach (IpAddress address in change.NotFound)
            controlThread.Post(() => lookups.Fail(address));
        if (change.ReplacePeers)
            foreach (PublicKey key in wireGuard.Peers.Select(peer => peer.PublicKey).ToArray())
                Remove(key);
        foreach (PeerChange peer in change.Peers)
            Apply(peer);
    }

    /// <summary>
    /// Applies what was kept by a process before this one, and asks for handshakes with the peers that were in use then. They begin as soon
    /// as the interface is up.
    /// </summary>
    /// <param name="change">What was kept, with a port only if that is to fail where it cannot be had.</param>
    /// <param name="keptPort">The port that the process before this one had; 0 for none.</param>
    /// <param name="isFixed">Whether somebody has asked for that port, so that no other will do.</param>
    /// <param name="active">The peers that were in use.</param>
    /// <exception cref="UapiException">The port cannot be had.</exception>
    public void Restore(DeviceChange change, ushort keptPort, bool isFixed, IEnumerable<PublicKey> active)
    {
        port.Restore(keptPort, isFixed);
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
            ListenPort = port.Shown,
            ConfiguredPort = port.Configured,
            HasFixedPort = port.IsFixed,
            PortProblem = port.Problem,
            Fwmark = port.Mark,
            Mtu = wireGuard.Mtu,
        };
        foreach (PeerTunnel peer in wireGuard.Peers)
            status.Peers.Add(Status(peer, now, wallClock));
        foreach (DropReason reason in Enum.GetValues<DropReason>())
            if (reason != DropReason.None)
                status.Drops.Add(new NamedCount(reason.ToString(), wireGuard.Drops[reason]));
        status.Gauges.Add(new NamedCount("CookieReplies", wireGuard.CookieReplies));
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

    private void SpeakUp()
    {
        wireGuard.ListenPort = port.Shown;
        controlThread.Post(paths.Restart);
        foreach (PeerTunnel peer in wireGuard.Peers)
            if (peer.PersistentKeepalive > TimeSpan.Zero || _interrupted.Contains(peer))
                peer.RequestKeepalive();
        _interrupted.Clear();
    }

    private void Listen(ushort? number, uint mark)
    {
        uint before = port.Mark;
        try
        {
            port.SetMark(mark);
            if (number is { } moved)
                port.Move(moved);
        }
        catch (LinuxException exception)
        {
            if (mark != before && port.Mark == mark)
                port.SetMark(before);
            throw new UapiException(exception.Errno, PortAvailability.Describe(number ?? port.Configured, exception));
        }
        if (number is not null && wireGuard.IsUp)
        {
            wireGuard.ListenPort = port.Shown;
            controlThread.Post(paths.Restart);
        }
        Instant now = BootClock.Now;
        foreach (PeerTunnel peer in wireGuard.Peers)
        {
            peer.ForgetLocalAddress();
            if (number is not null && peer.HasSession(now))
            {
                // A peer that only sends would not learn where to. A handshake is repeated until it is answered, but perhaps not begun at once.
                peer.RequestKeepalive();
                peer.RequestHandshake();
            }
        }
    }

    private void UsePrivateKey(ReadOnlySpan<byte> privateKey)
    {
        if (privateKey.IndexOfAnyExcept((byte)0) < 0)
        {
            wireGuard.SetIdentity(null, null);
            foreach (PublicKey key in _probed)
                controlThread.Post(() => paths.Remove(key));
            _probed.Clear();
            return;
        }
        if (wireGuard.Identity is { } current && CryptographicOperations.FixedTimeEquals(current.PrivateKey, privateKey))
            return;
        var identity = new LocalIdentity(privateKey);
        wireGuard.SetIdentity(identity, timestamps.Open(identity.PublicKey, (path, exception) => Log.TimestampFileFailed(log, path, exception.Message)));
        foreach (PublicKey key in _probed)
            if (wireGuard.FindPeer(key) is { } peer)
                Probe(peer);
    }

    private void Remove(PublicKey key)
    {
        wireGuard.RemovePeer(key);
        if (_probed.Remove(key))
            controlThread.Post(() => paths.Remove(key));
    }

    private void Probe(PeerTunnel peer)
    {
        if (ProbeKeys.Derive(wireGuard, peer) is { } keys)
            controlThread.Post(() => paths.Add(peer, keys));
    }

    /// <summary>What another node tells of a peer: where it can be reached, or that it wants to be reached now.</summary>
    private void ApplyPaths(PeerTunnel peer, PeerChange change)
    {
        PublicKey key = peer.PublicKey;
        IReadOnlyList<PeerEndpoint> candidates = change.Candidates ?? [];
        if (change.Connect)
            peer.RequestKeepalive();
        if (change.Frames.Count > 0)
        {
            byte[][] frames = [.. change.Frames];
            controlThread.Post(() => lookups.Send(key, frames));
        }
        if (change.MayRelay is { } mayRelay)
            controlThread.Post(() => paths.AllowRelay(key, mayRelay));
        if (change.Knock)
            controlThread.Post(() => knocks.Knock(paths.KnockTargets(key)));
        if (change.IntroductionByPeers is { } answers)
        {
            controlThread.Post(() => paths.IntroduceByPeers(key, candidates, answers));
            return;
        }
        if (change.Introduction is { } isAnswer)
        {
            controlThread.Post(() => paths.Introduce(key, candidates, isAnswer));
            return;
        }
        if (change.Candidates is not null)
        {
            controlThread.Post(() => paths.Offer(key, candidates));
            if (_probed.Add(key))
                Probe(peer);
        }
    }

    private void Insert(IpPrefix prefix, PeerTunnel peer)
    {
        wireGuard.AllowedIps.Insert(prefix, peer);
        // Behind the peer's path finder, without which what waits would be dropped.
        if (wireGuard.Lookups.Overlay.Count > 0)
            controlThread.Post(() => wireGuard.Lookups.Deliver(prefix, peer));
    }

    private void Apply(PeerChange change)
    {
        // A device is no peer of itself; a configuration shared by all nodes may list it all the same.
        if (change.PublicKey == wireGuard.Identity?.PublicKey)
            return;
        if (change.Remove)
        {
            Remove(change.PublicKey);
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
        ApplyPaths(peer, change);
        if (change.Endpoint is { } endpoint)
        {
            // Of a peer that is probed it is one endpoint more to try.
            if (_probed.Contains(peer.PublicKey))
                controlThread.Post(() => paths.Introduce(change.PublicKey, [new PeerEndpoint(endpoint, PeerEndpointKind.Fixed)], isAnswer: true));
            else
                peer.Path = new PeerPath(endpoint, default);
        }
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
                Insert(allowed.Prefix, peer);
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
