using System.Net.Sockets;
using Kedge.Linux.Udp;
using Kedge.Node.Keys;
using Kedge.Node.Routing;
using Kedge.Node.Uapi;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.ControlLink;

/// <summary>
/// The node process as the control link sees it: over its configuration socket, and gone at any moment. One thread at a time.
/// </summary>
/// <param name="runtimeDirectory">Where its socket is.</param>
/// <param name="interfaceName">Its interface.</param>
/// <param name="problems">Where is told that it does not answer.</param>
public sealed class NodeProcess(string runtimeDirectory, string interfaceName, Problems problems)
{
    private const string Subject = "node process";
    private const string PortSubject = "UDP port";

    private string? _portError;

    /// <summary>Its state; null where it does not answer now. The caller disposes it.</summary>
    public DeviceStatus? TryGetStatus()
    {
        try
        {
            DeviceStatus status = UapiClient.GetStatus(runtimeDirectory, interfaceName);
            problems.Set(Subject, null);
            return status;
        }
        catch (Exception e) when (e is UserError or UapiException)
        {
            problems.Set(Subject, $"The node process of {interfaceName} does not answer: {e.Message}");
            return null;
        }
    }

    /// <summary>Changes it.</summary>
    /// <returns>Whether it is changed; what it refuses is a problem, told.</returns>
    public bool TryApply(DeviceChange change, string what)
    {
        try
        {
            UapiClient.Apply(runtimeDirectory, interfaceName, change);
            problems.Set(what, null);
            return true;
        }
        catch (Exception e) when (e is UserError or UapiException)
        {
            problems.Set(what, $"The {what} of {interfaceName} could not be changed: {e.Message}");
            return false;
        }
    }

    /// <summary>
    /// Gives the device its key and the mark that its datagrams bear, where it has others. A device that has just started has none.
    /// </summary>
    /// <param name="status">What the device has.</param>
    /// <param name="keys">The node's keys.</param>
    /// <param name="mark">The mark.</param>
    /// <returns>Whether it has them now.</returns>
    public bool TryConfigure(DeviceStatus status, NodeKeys keys, FirewallMark mark)
    {
        using var change = new DeviceChange();
        if (status.PublicKey != keys.WireGuardPublicKey)
            change.PrivateKey = keys.WireGuardKey.ToArray();
        if (!mark.IsIn(status.Fwmark))
            change.Fwmark = mark.Bit;
        bool isRight = change.PrivateKey is null && change.Fwmark is null;
        return isRight || TryApply(change, "configuration");
    }

    /// <summary>
    /// Gives the device its port, once it can be had; until then it is a problem, and the device goes on with the port that it has.
    /// </summary>
    /// <param name="status">What the device has.</param>
    /// <param name="listenPort">The port; 0 leaves the device's own.</param>
    public void UsePort(DeviceStatus status, ushort listenPort)
    {
        if (listenPort == 0 || status.ListenPort == listenPort)
        {
            _portError = null;
            problems.Set(PortSubject, status.PortProblem is { } problem ? $"{problem}. No peer can reach this node." : null);
            return;
        }
        // Who has the port is not looked up again as long as somebody has it.
        _portError = PortAvailability.IsAvailable(listenPort) ? null : _portError ?? PortAvailability.Error(listenPort);
        if (_portError is not null)
        {
            string meanwhile = status.ListenPort == 0 ? "" : $" Until it is free, this node uses port {status.ListenPort}.";
            problems.Set(PortSubject, $"{_portError}.{meanwhile} Choose another one with 'kedge up --listen-port'.");
            return;
        }
        using var change = new DeviceChange { ListenPort = listenPort };
        TryApply(change, PortSubject);
    }

    /// <summary>Tells the device what is known of the overlay, which no peer is behind.</summary>
    /// <param name="status">What the device has.</param>
    /// <param name="overlay">The prefixes that the overlay has its addresses from.</param>
    /// <param name="isInternal">Whether all nodes are in one internal network.</param>
    public void UseOverlay(DeviceStatus status, IReadOnlyList<IpPrefix> overlay, bool isInternal)
    {
        if (status.InternalNetwork == isInternal && status.Overlay.SequenceEqual(overlay))
            return;
        using var change = new DeviceChange { Overlay = overlay, InternalNetwork = isInternal };
        TryApply(change, "overlay");
    }

    /// <summary>Makes the device a relay, or none.</summary>
    /// <param name="status">What the device has.</param>
    /// <param name="isRelay">Whether it is to be one.</param>
    /// <param name="megabits">What two peers may send each other in a second; 0 for no limit.</param>
    public void UseRelay(DeviceStatus status, bool isRelay, int megabits)
    {
        long rate = megabits * 1_000_000L;
        if (status.IsRelay == isRelay && (!isRelay || status.RelayRate == rate))
            return;
        using var change = new DeviceChange { Relay = isRelay, RelayRate = rate };
        TryApply(change, "relay");
    }

    /// <summary>Tells the device by what it opens a stream to its controller.</summary>
    /// <param name="status">What the device has.</param>
    /// <param name="access">By what it does.</param>
    public void UseStream(DeviceStatus status, StreamAccess access)
    {
        if (access.Equals(status.Stream))
            return;
        using var change = new DeviceChange { Stream = access };
        TryApply(change, "stream");
    }

    /// <summary>Has the device introduce itself to others, or not.</summary>
    /// <param name="status">What the device does.</param>
    /// <param name="knocks">Whether it is to.</param>
    /// <param name="anew">Whether it reads again whom it trusts.</param>
    public void UseKnocks(DeviceStatus status, bool knocks, bool anew)
    {
        if (status.Knocks == knocks && !(knocks && anew))
            return;
        using var change = new DeviceChange { Knock = knocks };
        TryApply(change, "introductions");
    }

    /// <summary>Introduces a peer to the device.</summary>
    /// <param name="peer">The peer's key.</param>
    /// <param name="endpoints">Where it can be reached just now.</param>
    /// <param name="isAnswer">Whether it answers an introduction of this node.</param>
    public void Introduce(PublicKey peer, IReadOnlyList<PeerEndpoint> endpoints, bool isAnswer)
    {
        using var change = new DeviceChange
        {
            Peers = { new PeerChange(peer) { UpdateOnly = true, Candidates = endpoints, Introduction = isAnswer } },
        };
        TryApply(change, "introduction");
    }

    /// <summary>Has peers in common introduce this node to a peer, because the controller cannot.</summary>
    /// <param name="peer">The peer's key.</param>
    /// <param name="endpoints">Where this node can be reached.</param>
    /// <param name="isAnswer">Whether it answers an introduction.</param>
    public void IntroduceByPeers(PublicKey peer, IReadOnlyList<PeerEndpoint> endpoints, bool isAnswer)
    {
        using var change = new DeviceChange
        {
            Peers = { new PeerChange(peer) { UpdateOnly = true, Candidates = endpoints, IntroductionByPeers = isAnswer } },
        };
        TryApply(change, "introduction");
    }

    /// <summary>What happens in the device, until that ends or the caller does.</summary>
    /// <exception cref="SocketException">It does not run.</exception>
    /// <exception cref="IOException">It has ended.</exception>
    public IAsyncEnumerable<DeviceEvent> WatchAsync(CancellationToken cancellation) =>
        UapiClient.WatchAsync(runtimeDirectory, interfaceName, cancellation);

    /// <summary>Has the device ask these STUN servers, and no others.</summary>
    public void UseStunServers(DeviceStatus status, IReadOnlyCollection<Endpoint> servers)
    {
        if (status.StunResults.Select(result => result.Server).ToHashSet().SetEquals(servers))
            return;
        using var change = new DeviceChange { ReplaceStunServers = true };
        foreach (Endpoint server in servers)
            change.StunServers.Add(server);
        TryApply(change, "STUN servers");
    }
}
