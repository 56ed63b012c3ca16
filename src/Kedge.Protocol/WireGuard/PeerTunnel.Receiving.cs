using System.Threading;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <content>What receiving threads do.</content>
public sealed partial class PeerTunnel
{
    /// <summary>
    /// Takes a packet of this peer that <see cref="KeyPair.Judge"/> has accepted: refuses it when its session has ended, notes where the
    /// peer is now, and checks that what is inside is an IP packet from an address that the peer may use.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="session">The session that it was opened with.</param>
    /// <param name="plaintext">What was inside, with its padding. The ECN bits may be changed.</param>
    /// <param name="remote">Where the datagram came from; none for one that a relay has passed on.</param>
    /// <param name="local">Where it arrived.</param>
    /// <param name="outerEcn">The ECN bits of the datagram's own IP header.</param>
    /// <param name="length">
    /// The length of the IP packet, without padding; 0 when there is nothing for the tunnel (a keepalive, or a drop).
    /// </param>
    /// <returns><see cref="DropReason.None"/> unless it is dropped.</returns>
    public DropReason Accept(
        Instant now, KeyPair session, Span<byte> plaintext, Endpoint remote, Endpoint local, byte outerEcn, out int length)
    {
        length = 0;
        if (session.IsTooOld(now))
            return DropReason.SessionExpired;
        Interlocked.Add(ref _receivedBytes, plaintext.Length + TransportData.Overhead);
        NotePath(remote, local);
        _timers.Received(now);
        if (Keys.Next == session)
            Confirm(now, session);
        if (session.AsksForRenewal(now, _timing.RenewOnReceiveTime))
            RequestHandshake();
        if (plaintext.IsEmpty)
            return DropReason.None;

        if (_timers.DataReceived(now))
            _pathFinder?.TrafficBegan();
        if (plaintext[0] < 16 && _pathFinder is { } finder) // no IP version
        {
            finder.TakeFrame(plaintext);
            return DropReason.None;
        }
        return AcceptPacket(plaintext, outerEcn, out length);
    }

    /// <summary>Checks that there is an IP packet, from an address that the peer may use.</summary>
    /// <param name="plaintext">The packet, with what is behind it. The ECN bits may be changed.</param>
    /// <param name="outerEcn">The ECN bits that were around it.</param>
    /// <param name="length">The packet's length; 0 if it is dropped.</param>
    /// <returns><see cref="DropReason.None"/> unless it is dropped.</returns>
    public DropReason AcceptPacket(Span<byte> plaintext, byte outerEcn, out int length)
    {
        length = 0;
        if (!IpPacket.TryParse(plaintext, out IpPacket packet))
            return DropReason.MalformedInnerPacket;
        if (_device.AllowedIps.Find(packet.Source) != this)
            return DropReason.SourceNotAllowed;
        if (!Ecn.TryDecapsulate(packet.Ecn, outerEcn, out byte ecn))
            return DropReason.CongestionMarked;
        length = packet.Length;
        if (ecn != packet.Ecn)
            IpPacket.SetEcn(plaintext, ecn);
        return DropReason.None;
    }

    private void NotePath(Endpoint remote, Endpoint local)
    {
        if (remote.IsNone)
            return;
        PeerPath? path = _path;
        if (path is not null && path.Remote == remote && (path.Local == local || path.Left == local))
        {
            if (_heardFrom is not null)
                _heardFrom = null;
            return;
        }
        if (path is not null && path.Remote != remote && _pathFinder is { } finder)
        {
            // Until it is told otherwise, the peer stays where it has proven that it can be reached.
            if (_heardFrom is { } heard && heard.Remote == remote && heard.Local == local)
                return;
            finder.HeardFrom(_heardFrom = new PeerPath(remote, local));
            return;
        }
        // What is known of the way stays, where only our end is another; a finder finds out if that changes it.
        _path = path?.Remote == remote ? path with { Local = local } : new PeerPath(remote, local);
        _heardFrom = null;
        _device.NotePathChange();
        if (path is not null)
            return;
        _pathWasSet = true;
        _device.Attention(this);
        _pathFinder?.HeardFrom(_path);
    }

    // The first packet in a session that we answered: the initiator has it.
    private void Confirm(Instant now, KeyPair session)
    {
        _sessions.Confirm(session);
        NoteHandshake(now);
        _device.Attention(this);
    }
}
