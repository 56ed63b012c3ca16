using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// The handshake thread's work on tunnels: handshake messages and timers. Everything in <see cref="WireGuardDevice"/> that is not a packet's
/// is done on this thread, one thing after the other, so nothing of it is locked.
/// </summary>
public sealed class HandshakeLoop
{
    /// <summary>How many messages wait at most.</summary>
    public const int QueueCapacity = 4096;

    /// <summary>How many messages are taken before timers are looked at again.</summary>
    private const int BatchSize = 64;

    private readonly WireGuardDevice _wireGuard;
    private readonly IDatagramSocket _socket;
    private readonly DatagramQueue _queue;
    private readonly LoadMeter _load;
    private readonly byte[] _message = new byte[HandshakeInitiation.Size];
    private readonly PacketBuffer[] _outgoing = PacketBuffer.Allocate(1);

    /// <summary>A loop over what the caller owns.</summary>
    /// <param name="wireGuard">The state of the tunnels.</param>
    /// <param name="socket">Where replies, initiations and keepalives go.</param>
    /// <param name="queue">Where handshake messages come from; see <see cref="CreateQueue"/>.</param>
    public HandshakeLoop(WireGuardDevice wireGuard, IDatagramSocket socket, DatagramQueue queue)
    {
        (_wireGuard, _socket, _queue) = (wireGuard, socket, queue);
        _load = new LoadMeter(wireGuard.Timing, QueueCapacity);
    }

    /// <summary>A queue for handshake messages.</summary>
    public static DatagramQueue CreateQueue() => new(QueueCapacity, HandshakeInitiation.Size);

    /// <summary>Does what there is to do now.</summary>
    /// <returns>When there is something to do again, unless the thread is woken before.</returns>
    public Instant RunOnce()
    {
        Instant now = BootClock.Now;
        bool more = ReceiveBatch(now);
        Instant deadline = PollPeers(now);
        return more ? now : deadline;
    }

    private bool ReceiveBatch(Instant now)
    {
        for (int i = 0; i < BatchSize; i++)
        {
            int queued = _queue.Count;
            if (!_queue.TryTake(_message, out int length, out Endpoint remote, out Endpoint local))
                return false;
            PacketBuffer reply = _outgoing[0];
            reply.Reset();
            bool isUnderLoad = _load.IsUnderLoad(now, queued);
            Outcome outcome = _wireGuard.ReceiveHandshake(now, _message.AsSpan(0, length), remote, local, isUnderLoad, reply.Array);
            if (outcome.Kind == OutcomeKind.ToNetwork)
                Send(outcome.Length, remote, local);
            else
                Count(outcome);
        }
        return true;
    }

    private void Count(Outcome outcome) => _wireGuard.Drops.Add(outcome.Reason, outcome.Kind == OutcomeKind.Drop ? 1 : 0);

    private Instant PollPeers(Instant now)
    {
        DateTimeOffset wallClock = DateTimeOffset.UtcNow;
        Schedule<PeerTunnel> schedule = _wireGuard.Schedule;
        schedule.TakeAsking();
        while (schedule.TakeDue(now) is { } peer)
        {
            if (peer.NextDeadline(now) <= now)
            {
                lock (peer.StagedOrder)
                    Poll(peer, now, wallClock);
            }
            schedule.Put(peer, now);
        }
        return schedule.Earliest;
    }

    private void Poll(PeerTunnel peer, Instant now, DateTimeOffset wallClock)
    {
        while (peer.Poll(now, wallClock, _outgoing[0].Array) is { Kind: OutcomeKind.ToNetwork } outcome)
            if (peer.Path is { } path && !Send(outcome.Length, path.Remote, path.Local))
                peer.ForgetLocalAddress();
    }

    /// <summary>Sends what is at the start of the outgoing buffer; false when the local address is gone.</summary>
    private bool Send(int length, Endpoint remote, Endpoint local)
    {
        PacketBuffer buffer = _outgoing[0];
        buffer.Reset();
        (buffer.Offset, buffer.Length, buffer.Destination, buffer.Source) = (0, length, remote, local);
        if (_socket.Send(_outgoing) == 0)
            _wireGuard.Drops.Add(DropReason.SendFailed);
        return local.IsNone || !buffer.Source.IsNone;
    }
}
