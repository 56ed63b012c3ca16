using System.Collections.Concurrent;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// The handshake thread's work: handshake messages, timers, STUN, the interface's state, and what administrators ask for. Everything in
/// <see cref="WireGuardDevice"/> that is not a packet's is done here, one thing after the other, so nothing of it is locked.
/// </summary>
public sealed class HandshakeLoop
{
    /// <summary>How many messages are taken before timers are looked at again.</summary>
    private const int BatchSize = 64;

    private readonly WireGuardDevice _wireGuard;
    private readonly IDatagramSocket _socket;
    private readonly StunClient _stun;
    private readonly HandshakeQueue _queue;
    private readonly Waiter _waiter;
    private readonly LoadMeter _load;
    private readonly ConcurrentQueue<Action> _requests = new();
    private readonly byte[] _message = new byte[HandshakeQueue.MaximumLength];
    private readonly PacketBuffer[] _outgoing = PacketBuffer.Allocate(1);

    /// <summary>A loop over what the caller owns.</summary>
    /// <param name="wireGuard">The state of the tunnels.</param>
    /// <param name="stun">What is asked of STUN servers.</param>
    /// <param name="socket">Where replies, initiations and keepalives go.</param>
    /// <param name="queue">Where handshake messages come from.</param>
    /// <param name="waiter">What the loop sleeps on.</param>
    public HandshakeLoop(WireGuardDevice wireGuard, StunClient stun, IDatagramSocket socket, HandshakeQueue queue, Waiter waiter)
    {
        (_wireGuard, _stun, _socket, _queue, _waiter) = (wireGuard, stun, socket, queue, waiter);
        _load = new LoadMeter(wireGuard.Timing, HandshakeQueue.Capacity);
    }

    /// <summary>Has something done on the handshake thread. Any thread.</summary>
    public void Post(Action request)
    {
        _requests.Enqueue(request);
        _waiter.Wake();
    }

    /// <summary>Does what there is to do now.</summary>
    /// <returns>When there is something to do again, unless the waiter is woken before.</returns>
    public Instant RunOnce()
    {
        while (_requests.TryDequeue(out Action? request))
            request();
        Instant now = BootClock.Now;
        bool more = ReceiveBatch(now);
        Instant deadline = Instant.Earlier(PollPeers(now), PollStun(now));
        return more ? now : deadline;
    }

    private bool ReceiveBatch(Instant now)
    {
        for (int i = 0; i < BatchSize; i++)
        {
            int queued = _queue.Count;
            if (!_queue.TryTake(_message, out int length, out Endpoint remote, out Endpoint local))
                return false;
            if (Datagram.Classify(_message.AsSpan(0, length)) == DatagramKind.Stun)
            {
                Count(_stun.Receive(_message.AsSpan(0, length), remote));
                continue;
            }
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

    private Instant PollStun(Instant now)
    {
        if (!_wireGuard.IsUp)
            return Instant.Never;
        while (_stun.Poll(now, _outgoing[0].Array, out Endpoint server) is { Kind: OutcomeKind.ToNetwork } outcome)
            Send(outcome.Length, server, default);
        return _stun.NextDeadline;
    }

    private Instant PollPeers(Instant now)
    {
        DateTimeOffset wallClock = DateTimeOffset.UtcNow;
        PeerSchedule schedule = _wireGuard.Schedule;
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
