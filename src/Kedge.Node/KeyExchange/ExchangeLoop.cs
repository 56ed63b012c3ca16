using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Node.KeyExchange;

/// <summary>A socket, and which destinations it can reach.</summary>
/// <param name="Socket">The socket.</param>
/// <param name="HasIPv4">Whether it can send to IPv4 addresses.</param>
/// <param name="HasIPv6">Whether it can send to IPv6 addresses.</param>
internal sealed record ExchangeSocket(IDatagramSocket Socket, bool HasIPv4, bool HasIPv6);

/// <summary>
/// The exchange thread's work: messages, timers, and jobs that have been executed, one after the other, so nothing of it is locked.
/// </summary>
/// <param name="exchange">The protocol.</param>
/// <param name="sockets">Where it receives and sends.</param>
/// <param name="worker">Who executes jobs.</param>
/// <param name="outputKey">Takes an output key, which it copies.</param>
internal sealed class ExchangeLoop(
    RosenpassExchange exchange, IReadOnlyList<ExchangeSocket> sockets, JobWorker worker, ExchangeLoop.OutputKeyHandler outputKey)
{
    /// <summary>How many messages are taken from a socket before others get their turn.</summary>
    private const int BatchSize = 16;

    private static readonly TimeSpan UnderLoadTime = TimeSpan.FromSeconds(1);

    private readonly PacketBuffer[] _incoming = PacketBuffer.Allocate(BatchSize);
    private readonly PacketBuffer[] _outgoing = PacketBuffer.Allocate(1);
    private readonly byte[] _outputKey = GC.AllocateArray<byte>(RosenpassExchange.OutputKeySize, pinned: true);
    private Instant _underLoadUntil = new(long.MinValue);
    private int _turn;

    /// <summary>Takes an output key.</summary>
    public delegate void OutputKeyHandler(RosenpassPeer peer, OutputKeyReason reason, ReadOnlySpan<byte> key);

    /// <summary>Messages that were dropped so far, by <see cref="RosenpassDropReason"/>.</summary>
    public long[] Drops { get; } = new long[Enum.GetValues<RosenpassDropReason>().Length];

    /// <summary>Does what there is to do now.</summary>
    /// <returns>When there is something to do again, unless there is a message or a job before.</returns>
    public Instant RunOnce(Instant now)
    {
        bool more = false;
        foreach (ExchangeSocket socket in sockets)
            more |= ReceiveBatch(now, socket.Socket);
        while (worker.TryTake(out PendingJob job))
            Do(exchange.Complete(now, job.Job, _outgoing[0].Array, _outputKey), job.Socket, job.Local);
        while (exchange.Poll(now, _outgoing[0].Array, _outputKey) is { IsNothing: false } outcome)
            Do(outcome, socket: null, local: default);
        return more ? now : exchange.NextDeadline;
    }

    private bool ReceiveBatch(Instant now, IDatagramSocket socket)
    {
        int count = socket.Receive(_incoming);
        // So many at once are no peers': with 100 of them there are two messages a second.
        if (count == BatchSize)
            _underLoadUntil = now + UnderLoadTime;
        foreach (PacketBuffer message in _incoming.AsSpan(0, count))
        {
            RosenpassOutcome outcome = exchange.Receive(
                now, message.Packet, message.Source, now < _underLoadUntil, _outgoing[0].Array, _outputKey);
            Do(outcome, socket, message.Destination);
        }
        return count == BatchSize;
    }

    /// <summary>Does what the exchange asks for.</summary>
    /// <param name="outcome">What that is.</param>
    /// <param name="socket">Where the message came in that this answers; null where it answers none.</param>
    /// <param name="local">The local address that it came to.</param>
    private void Do(RosenpassOutcome outcome, IDatagramSocket? socket, Endpoint local)
    {
        if (outcome.Reason != RosenpassDropReason.None)
            Drops[(int)outcome.Reason]++;
        if (outcome.Length > 0)
            Send(outcome.Length, outcome.Destination, socket ?? NextSocket(outcome.Destination), local);
        if (outcome is { Peer: { } peer, KeyReason: not OutputKeyReason.None })
        {
            outputKey(peer, outcome.KeyReason, _outputKey);
            CryptographicOperations.ZeroMemory(_outputKey);
        }
        if (outcome.Job is { } job)
            worker.Add(new PendingJob(job, socket, local));
    }

    private void Send(int length, Endpoint destination, IDatagramSocket? socket, Endpoint local)
    {
        PacketBuffer buffer = _outgoing[0];
        buffer.Reset();
        (buffer.Offset, buffer.Length, buffer.Destination, buffer.Source) = (0, length, destination, local);
        socket?.Send(_outgoing); // What is lost is sent again.
    }

    /// <summary>
    /// A socket that reaches a destination: where several do, one after the other, because a path may be there for one alone.
    /// </summary>
    private IDatagramSocket? NextSocket(Endpoint destination)
    {
        for (int i = 0; i < sockets.Count; i++)
        {
            _turn = (_turn + 1) % sockets.Count;
            ExchangeSocket candidate = sockets[_turn];
            if (destination.Address.IsIPv6 ? candidate.HasIPv6 : candidate.HasIPv4)
                return candidate.Socket;
        }
        return null;
    }
}
