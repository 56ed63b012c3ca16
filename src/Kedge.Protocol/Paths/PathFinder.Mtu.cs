using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <content>How long packets may be on the path.</content>
public sealed partial class PathFinder
{
    private const int LongestDatagram = 65507; // RFC 768, in an IPv4 packet

    private readonly MtuSearch _mtu = new();
    private Endpoint _measured;
    private int _tunnelMtu;

    /// <summary>The path's MTU in bytes; null while it is not known.</summary>
    private int? Mtu => State == PathState.Direct && _mtu.IsMeasured ? _mtu.Mtu : null;

    /// <summary>A path that is to be used from now on, with what is known of its size, which is looked for where it is another one.</summary>
    private PeerPath Measured(Instant now, PeerPath path)
    {
        if (State != PathState.Direct || path.Remote != _measured)
            Measure(now, path.Remote);
        return path with { Mtu = _mtu.Mtu, IsMeasured = _mtu.IsMeasured };
    }

    private void Measure(Instant now, Endpoint remote)
    {
        (_measured, _tunnelMtu) = (remote, _peer.TunnelMtu);
        _mtu.Begin(now, Math.Min(_tunnelMtu + PeerPath.OverheadTo(remote.Address), LongestDatagram + PeerPath.HeadersTo(remote.Address)));
    }

    /// <summary>Has packets sent as they are, because nobody looks after this path from now on.</summary>
    internal void ForgetMtu()
    {
        _mtu.Stop();
        PublishMtu();
    }

    private Instant NextMeasuring(Instant now) =>
        State == PathState.Direct && (_mtu.IsBusy || IsActive(now)) ? _mtu.Due : Instant.Never;

    /// <summary>The padded ping that is due, if there is one.</summary>
    private ControlOutcome PollMtu(Instant now, Span<byte> datagram)
    {
        if (State != PathState.Direct || _peer.Path is not { } path || path.Remote != _measured || NextMeasuring(now) > now)
            return ControlOutcome.Nothing;
        if (_tunnelMtu != _peer.TunnelMtu)
            Measure(now, path.Remote);
        int size = _mtu.Next(now);
        PublishMtu();
        if (size == 0)
            return ControlOutcome.Nothing;
        ControlOutcome ping = _paths.PingPadded(now, this, path, size - PeerPath.HeadersTo(path.Remote.Address), datagram, out ulong? id);
        _mtu.Sent(now, id, _candidates.Current?.RoundTrip);
        return ping;
    }

    private bool TryTakeMtuPong(Instant now, in Probe pong)
    {
        if (!_mtu.TryTakePong(now, pong.Id, pong.Length + PeerPath.HeadersTo(_measured.Address)))
            return false;
        if (!pong.TakesFragments)
            _mtu.Stop();
        PublishMtu();
        return true;
    }

    // The inbound thread changes the path too, where the peer speaks to another address of ours.
    private void PublishMtu()
    {
        while (_peer.Path is { } path && path.Remote == _measured && (path.Mtu != _mtu.Mtu || path.IsMeasured != _mtu.IsMeasured))
            _peer.TryRefinePath(path, path with { Mtu = _mtu.Mtu, IsMeasured = _mtu.IsMeasured });
    }
}
