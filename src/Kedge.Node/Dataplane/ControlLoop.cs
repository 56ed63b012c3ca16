using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// The control thread's work: the protocols beside WireGuard on the device's port, one after the other, so nothing of them is locked. Apart
/// from the handshake thread: whatever happens here delays no handshake.
/// </summary>
public sealed class ControlLoop
{
    /// <summary>Bytes of the longest answer.</summary>
    public const int MaximumLength = 1280;

    /// <summary>Bytes of the longest datagram: what UDP over IPv4 carries. Padded probes are as long as the tunnel's packets.</summary>
    private const int LongestDatagram = 65507;

    /// <summary>How many datagrams of one protocol are taken, and sent, before the next one has its turn.</summary>
    private const int BatchSize = 64;

    private readonly WireGuardDevice _wireGuard;
    private readonly ControlTable _table;
    private readonly IDatagramSocket _socket;
    private readonly byte[] _received = new byte[ushort.MaxValue];
    private readonly PacketBuffer[] _outgoing = PacketBuffer.Allocate(1);

    /// <summary>A loop over what the caller owns.</summary>
    /// <param name="wireGuard">Whose port it is, and where drops are counted.</param>
    /// <param name="table">The protocols.</param>
    /// <param name="socket">Where datagrams go.</param>
    public ControlLoop(WireGuardDevice wireGuard, ControlTable table, IDatagramSocket socket) =>
        (_wireGuard, _table, _socket) = (wireGuard, table, socket);

    /// <summary>Does what there is to do now.</summary>
    /// <returns>When there is something to do again, unless the thread is woken before.</returns>
    public Instant RunOnce()
    {
        Instant now = BootClock.Now;
        Instant deadline = Instant.Never;
        foreach (ControlEntry entry in _table.Entries)
        {
            bool hasMore = ReceiveBatch(entry, now) | (_wireGuard.IsUp && PollBatch(entry, now));
            if (hasMore)
                deadline = now;
            else if (_wireGuard.IsUp)
                deadline = Instant.Earlier(deadline, entry.Protocol.NextDeadline);
        }
        return deadline;
    }

    private bool ReceiveBatch(ControlEntry entry, Instant now)
    {
        for (int i = 0; i < BatchSize; i++)
        {
            if (!entry.Queue.TryTake(_received, out int length, out Endpoint remote, out Endpoint local))
                return false;
            PacketBuffer reply = _outgoing[0];
            reply.Reset();
            Send(entry.Protocol.Receive(now, _received.AsSpan(0, length), remote, local, reply.Array.AsSpan(0, MaximumLength)));
        }
        return true;
    }

    private bool PollBatch(ControlEntry entry, Instant now)
    {
        for (int i = 0; i < BatchSize; i++)
        {
            ControlOutcome outcome = entry.Protocol.Poll(now, _outgoing[0].Array.AsSpan(0, LongestDatagram));
            if (!outcome.Sends)
                return false;
            Send(outcome);
        }
        return true;
    }

    private void Send(ControlOutcome outcome)
    {
        _wireGuard.Drops.Add(outcome.Outcome.Reason, outcome.Outcome.Kind == OutcomeKind.Drop ? 1 : 0);
        if (!outcome.Sends)
            return;
        PacketBuffer buffer = _outgoing[0];
        buffer.Reset();
        (buffer.Offset, buffer.Length, buffer.Destination, buffer.Source) = (0, outcome.Outcome.Length, outcome.Remote, outcome.Local);
        (buffer.TimeToLive, buffer.DontFragment) = (outcome.TimeToLive, outcome.DontFragment);
        // That one which must not be fragmented goes nowhere, is an answer too.
        if (_socket.Send(_outgoing) == 0 && !outcome.DontFragment)
            _wireGuard.Drops.Add(DropReason.SendFailed);
    }
}
