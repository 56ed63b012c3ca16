using System.Threading;
using Kedge.Crypto;

namespace Kedge.Protocol.WireGuard;

/// <content>What sending threads do.</content>
public sealed partial class PeerTunnel
{
    // A sender is told once a packet until it sends shorter ones; more senders than these wait for a moment.
    private static readonly Rate TooLongRate = new(Burst: 10, TimeSpan.FromMilliseconds(100));

    private TokenBucket _tooLongAnswers; // under _stagedLock
    private uint _fragmentId;

    /// <summary>
    /// Pads and seals packets of the tunnel with the current session; see <see cref="KeyPair.Seal"/> for what they are then.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="packets">The packets, with room around them.</param>
    /// <param name="mtu">The tunnel's MTU in bytes, by which the caller has laid them out.</param>
    /// <returns>False, with nothing sealed, when there is no session: then they are to be staged.</returns>
    public bool TrySeal(Instant now, Span<AeadPacket> packets, int mtu)
    {
        if (_sessions.Usable(now) is not { } session || !session.Seal(packets, mtu))
            return false;
        NoteSent(now, session, packets);
        NoteDataSent(now);
        return true;
    }

    /// <summary>
    /// Keeps a copy of a packet until there is a session, and asks for one. When there is no room, the oldest packets are dropped, or this one
    /// (<see cref="DropReason.StagingFull"/>); drops are counted here. Any thread.
    /// </summary>
    /// <returns>How many packets were dropped.</returns>
    public int Stage(ReadOnlySpan<byte> packet)
    {
        int dropped;
        bool isRefused;
        lock (_stagedLock)
        {
            dropped = _staged.Add(packet, out isRefused);
            _hasStaged = _staged.Count > 0;
        }
        RequestHandshake();
        _device.Drops.Add(DropReason.NoSession, dropped);
        _device.Drops.Add(DropReason.StagingFull, isRefused ? 1 : 0);
        return isRefused ? dropped + 1 : dropped;
    }

    /// <summary>Seals the packet that has waited longest. Any thread that holds <see cref="StagedOrder"/>.</summary>
    /// <param name="now">The time.</param>
    /// <param name="datagram">
    /// Where the datagram goes, from index 0: room for the longest packet and <see cref="TransportData.Overhead"/> + 15 bytes.
    /// </param>
    /// <param name="length">The datagram's length in bytes.</param>
    /// <returns>False when nothing waits, or there is no session or no path.</returns>
    public bool TrySealStaged(Instant now, byte[] datagram, out int length)
    {
        length = 0;
        if (!_hasStaged || _path is null || _sessions.Usable(now) is not { } session)
            return false;
        int packetLength;
        lock (_stagedLock)
        {
            // Only the call after the last packet's says that there is none: by then that one has been sent.
            if (!_staged.TryTake(datagram.AsSpan(TransportData.HeaderSize), out packetLength))
            {
                _hasStaged = false;
                return false;
            }
        }
        if (!TrySealOne(session, datagram, packetLength, now, out length))
            return false;
        NoteDataSent(now);
        return true;
    }

    /// <summary>Seals a frame for the peer itself, which is no IP packet. Any thread.</summary>
    /// <param name="now">The time.</param>
    /// <param name="datagram">The frame, from <see cref="TransportData.HeaderSize"/> on; then the datagram, from index 0.</param>
    /// <param name="frameLength">Bytes of the frame.</param>
    /// <param name="length">Bytes of the datagram.</param>
    /// <returns>False if there is no session.</returns>
    public bool TrySealFrame(Instant now, byte[] datagram, int frameLength, out int length)
    {
        length = 0;
        return _sessions.Usable(now) is { } session && TrySealOne(session, datagram, frameLength, now, out length);
    }

    /// <summary>An identifier for the two halves of a packet, which comes up again only after 2^32 others. Any thread.</summary>
    public uint NextFragmentId() => Interlocked.Increment(ref _fragmentId);

    /// <summary>Whether a sender may be told now that its packet is too long for the way to this peer. Any thread.</summary>
    public bool MayTellTooLong(Instant now)
    {
        lock (_stagedLock)
            return TokenBucket.TryTake(ref _tooLongAnswers, now, TooLongRate);
    }

    private bool TrySealOne(KeyPair session, byte[] datagram, int packetLength, Instant now, out int length)
    {
        var packet = new AeadPacket
        {
            Source = datagram,
            SourceOffset = TransportData.HeaderSize,
            Destination = datagram,
            DestinationOffset = TransportData.HeaderSize,
            Length = packetLength,
        };
        var packets = new Span<AeadPacket>(ref packet);
        bool isSealed = session.Seal(packets, _device.Mtu);
        length = isSealed ? packet.Length + TransportData.Overhead : 0;
        if (isSealed)
            NoteSent(now, session, packets);
        return isSealed;
    }

    // Keepalives, too, renew a session that grows old: otherwise one that carries nothing else would end before it is renewed.
    private void NoteSent(Instant now, KeyPair session, ReadOnlySpan<AeadPacket> packets)
    {
        long bytes = 0;
        foreach (ref readonly AeadPacket packet in packets)
            bytes += packet.Length + TransportData.Overhead;
        Interlocked.Add(ref _sentBytes, bytes);
        if (_keepaliveWanted && session == Keys.Current)
            _keepaliveWanted = false;
        _timers.Sent(now);
        if (session.AsksForRenewal(now, _timing.RekeyAfterTime))
            RequestHandshake();
    }

    private void NoteDataSent(Instant now)
    {
        if (_timers.DataSent(now))
            _pathFinder?.TrafficBegan();
    }
}
