using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <content>Control frames: those of the paths themselves, and those that are only passed between peers and somebody else.</content>
public sealed partial class PathProtocol
{
    private const int MaximumForeign = 256;

    private readonly Queue<(PublicKey From, byte[] Frame)> _foreign = new();
    private readonly HashSet<PublicKey> _reachChanges = [];

    /// <summary>Whether frames that begin with <see cref="ControlFrame.Discovery"/> are kept for <see cref="TryTakeFrame"/>, and changes of who is reached.</summary>
    public bool TakesForeign { get; set; }

    /// <summary>Takes the oldest frame that is somebody else's.</summary>
    /// <param name="from">Who has sent it.</param>
    /// <param name="frame">The frame; padding may be behind it.</param>
    public bool TryTakeFrame(out PublicKey from, [NotNullWhen(true)] out byte[]? frame)
    {
        bool isThere = _foreign.TryDequeue(out (PublicKey From, byte[] Frame) next);
        (from, frame) = next;
        return isThere;
    }

    /// <summary>Takes a peer that has got a path, or lost it.</summary>
    public bool TryTakeReached(out PublicKey peer, out bool isReached)
    {
        peer = _reachChanges.FirstOrDefault();
        isReached = Find(peer)?.IsReached ?? false;
        return _reachChanges.Remove(peer);
    }

    /// <summary>Sends a peer a frame once, if there is a way to it and a session; else both are asked for, and the frame is lost.</summary>
    public void Send(PublicKey to, byte[] frame)
    {
        if (Find(to) is { } finder)
            SendFrame(finder.Peer, frame);
    }

    /// <summary>Takes a frame that is somebody else's.</summary>
    internal void TakeForeign(PublicKey from, byte[] frame)
    {
        if (TakesForeign && _foreign.Count < MaximumForeign)
            _foreign.Enqueue((from, frame));
    }

    /// <summary>Notes that a peer has got a path, or lost it.</summary>
    internal void NoteReach(PathFinder finder)
    {
        if (TakesForeign)
            _reachChanges.Add(finder.PublicKey);
    }

    /// <summary>Takes an introduction by a frame: passes it on, or follows it.</summary>
    internal void TakeFrame(Instant now, PublicKey from, IntroductionFrame frame)
    {
        if (frame.IsPassedOn)
            Introduced(now, frame.Key, frame.Endpoints, frame.Opened);
        else if (Find(frame.Key) is { State: PathState.Direct } to)
            SendFrame(to.Peer, (frame with { Key = from, IsPassedOn = true }).ToArray());
    }

    private void SendFrame(PeerTunnel peer, byte[] frame)
    {
        if (_frames.Count < MaximumWishes)
            _frames.Enqueue((peer, frame));
    }

    private ControlOutcome SealFrame(Instant now, PeerTunnel peer, byte[] frame, Span<byte> datagram)
    {
        PeerPath? path = peer.Path, first = path?.First;
        if (path is null || first is null)
        {
            peer.PathFinder?.Want();
            return ControlOutcome.Nothing;
        }
        frame.CopyTo(_sealing, TransportData.HeaderSize);
        if (!peer.TrySealFrame(now, _sealing, frame.Length, out int length))
        {
            peer.RequestKeepalive(); // which asks for a session; whoever wants an answer to the frame repeats it
            return ControlOutcome.Nothing;
        }
        int start = 0;
        if (path.Relay is { } relay)
        {
            RelayHeader.Write(datagram, relay.Out);
            start = RelayHeader.Size;
        }
        _sealing.AsSpan(0, length).CopyTo(datagram[start..]);
        return new ControlOutcome(Outcome.ToNetwork(start + length), first.Remote, first.Local);
    }
}
