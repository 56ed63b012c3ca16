using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
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

    private const int MaximumLength = RelayHeader.Size + HandshakeInitiation.Size;

    /// <summary>How many messages are taken before timers are looked at again.</summary>
    private const int BatchSize = 64;

    private readonly WireGuardDevice _wireGuard;
    private readonly IDatagramSocket _socket;
    private readonly DatagramQueue _queue;
    private readonly LoadMeter _load;
    private readonly RelayLegs _legs;
    private readonly byte[] _message = new byte[MaximumLength];
    private readonly PacketBuffer[] _outgoing = PacketBuffer.Allocate(1);

    /// <summary>A loop over what the caller owns.</summary>
    /// <param name="wireGuard">The state of the tunnels.</param>
    /// <param name="socket">Where replies, initiations and keepalives go.</param>
    /// <param name="queue">Where handshake messages come from, relayed ones with their header; see <see cref="CreateQueue"/>.</param>
    /// <param name="legs">What is received by relays.</param>
    public HandshakeLoop(WireGuardDevice wireGuard, IDatagramSocket socket, DatagramQueue queue, RelayLegs legs)
    {
        (_wireGuard, _socket, _queue, _legs) = (wireGuard, socket, queue, legs);
        _load = new LoadMeter(wireGuard.Timing, QueueCapacity);
    }

    /// <summary>A queue for handshake messages.</summary>
    public static DatagramQueue CreateQueue() => new(QueueCapacity, MaximumLength);

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
            Span<byte> message = _message.AsSpan(0, length);
            var back = new PeerPath(remote, local);
            if (Datagram.Classify(message) == DatagramKind.Relay)
            {
                if (_legs.Find(RelayHeader.ChannelOf(message)) is not { } leg)
                    continue; // it has just ended
                message = message[RelayHeader.Size..];
                back = PeerPath.By(leg);
            }
            Outcome outcome = _wireGuard.ReceiveHandshake(now, message, remote, local, isUnderLoad, reply.Array, back.Relay is not null);
            if (outcome.Kind == OutcomeKind.ToNetwork)
                Send(outcome.Length, back);
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
            if (peer.Path is { } path && !Send(outcome.Length, path))
                peer.ForgetLocalAddress();
    }

    /// <summary>Sends what is at the start of the outgoing buffer; false when the local address is gone.</summary>
    private bool Send(int length, PeerPath path)
    {
        PacketBuffer buffer = _outgoing[0];
        if (!RelayedDatagram.TryAddress(buffer, length, path) || _socket.Send(_outgoing) == 0)
            _wireGuard.Drops.Add(DropReason.SendFailed);
        return path.Local.IsNone || !buffer.Source.IsNone;
    }
}
