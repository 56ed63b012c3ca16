using System.Threading;
using Kedge.Crypto;
using Kedge.Protocol.Noise;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The two keys of one session with a peer, and its counters: seals and opens packets in batches.
/// <para>
/// Any thread may seal or open, and several may at once. A batch that is sealed takes its counters with one atomic addition; one that was
/// opened is held against the replay window under a lock, because a peer that roams, or is heard over IPv4 and IPv6, may be received by two
/// threads for a while. Disposed by the peer that the session belongs to, at any moment: who is inside a batch then ends it with the key
/// intact, who comes later is refused.
/// </para>
/// </summary>
public sealed class KeyPair : IDisposable
{
    private readonly Timing _timing;
    private readonly ChaCha20Poly1305 _send;
    private readonly ChaCha20Poly1305 _receive;
    private readonly ReplayWindow _replay; // under _replayLock
    private readonly Lock _replayLock = new();
    private ulong _sendCounter;
    private int _renewalAsked;

    internal KeyPair(PeerTunnel peer, SessionKeys keys, bool isInitiator, uint localIndex, uint remoteIndex, Instant created, Timing timing)
    {
        Peer = peer;
        IsInitiator = isInitiator;
        LocalIndex = localIndex;
        RemoteIndex = remoteIndex;
        Created = created;
        _timing = timing;
        _replay = new ReplayWindow(timing.RejectAfterMessages);
        _send = new ChaCha20Poly1305(isInitiator ? keys.Initiator : keys.Responder);
        _receive = new ChaCha20Poly1305(isInitiator ? keys.Responder : keys.Initiator);
    }

    /// <summary>Whose session this is.</summary>
    public PeerTunnel Peer { get; }

    /// <summary>Whether we sent the initiation.</summary>
    public bool IsInitiator { get; }

    /// <summary>The index that the peer addresses us with.</summary>
    public uint LocalIndex { get; }

    /// <summary>The index that we address the peer with.</summary>
    public uint RemoteIndex { get; }

    /// <summary>When the handshake ended.</summary>
    public Instant Created { get; }

    /// <summary>Counters used so far for sending.</summary>
    public ulong Sent => Volatile.Read(ref _sendCounter);

    /// <summary>Whether the session is too old to send with, or its counters are used up.</summary>
    public bool IsExpired(Instant now) => IsTooOld(now) || Sent >= _timing.RejectAfterMessages;

    /// <summary>Whether the session is too old for anything.</summary>
    public bool IsTooOld(Instant now) => now - Created >= _timing.RejectAfterTime;

    /// <summary>
    /// Pads and seals packets, and writes the header of each into the 16 bytes before its destination. On return <c>Length</c> is the
    /// padded length, and a datagram of header, ciphertext and tag, <c>Length + 32</c> bytes, starts 16 bytes before the destination.
    /// </summary>
    /// <param name="packets">
    /// Each with 31 bytes of room behind the packet at its source, and room for header and tag at its destination.
    /// </param>
    /// <param name="mtu">The tunnel's MTU in bytes, which padding does not exceed.</param>
    /// <returns>False, with nothing sealed, when the counters are used up or the session was disposed.</returns>
    public bool Seal(Span<AeadPacket> packets, int mtu)
    {
        // Threads that pass here at once take a few batches of counters beyond the limit, which they do not use. It lies 2^13 below where
        // counters would wrap.
        ulong limit = _timing.RejectAfterMessages;
        if (Sent >= limit)
            return false;
        ulong end = Interlocked.Add(ref _sendCounter, (ulong)packets.Length);
        if (end > limit)
            return false;
        ulong counter = end - (ulong)packets.Length;
        foreach (ref AeadPacket packet in packets)
        {
            int padded = TransportData.PaddedLength(packet.Length, mtu);
            packet.Source.AsSpan(packet.SourceOffset + packet.Length, padded - packet.Length).Clear();
            packet.Length = padded;
            packet.Counter = counter++;
            var header = new TransportData(packet.Destination.AsSpan(packet.DestinationOffset - TransportData.HeaderSize));
            header.Type = MessageType.TransportData;
            header.Receiver = RemoteIndex;
            header.Counter = packet.Counter;
        }
        return _send.Seal(packets);
    }

    /// <summary>
    /// Opens packets; each one's <c>Authentic</c> says whether its tag was right. Nothing is accepted yet: see <see cref="Judge"/>.
    /// </summary>
    /// <returns>False, with nothing opened, when the session was disposed.</returns>
    public bool Open(Span<AeadPacket> packets) => _receive.Open(packets);

    /// <summary>
    /// Says of packets that were opened which are to be dropped, and takes the counters of the others into the replay window: to be called
    /// once for each. Whatever the number of threads, a counter is accepted once.
    /// </summary>
    /// <param name="packets">The packets, as <see cref="Open"/> has left them.</param>
    /// <param name="verdicts">
    /// As many: <see cref="DropReason.None"/> for what is accepted, <see cref="DropReason.NotAuthentic"/>,
    /// <see cref="DropReason.Replayed"/> for a counter that was seen before or is too old to know, and
    /// <see cref="DropReason.SessionExpired"/> for one beyond the limit.
    /// </param>
    public void Judge(ReadOnlySpan<AeadPacket> packets, Span<DropReason> verdicts)
    {
        lock (_replayLock)
        {
            for (int i = 0; i < packets.Length; i++)
                verdicts[i] = VerdictOn(in packets[i]);
        }
    }

    /// <summary>
    /// Whether a new session should be asked for, because this one is old or used up by <paramref name="age"/>: true once. Only the
    /// initiator does so by time; otherwise both ends would, at once.
    /// </summary>
    internal bool AsksForRenewal(Instant now, TimeSpan age) =>
        ((IsInitiator && now - Created >= age) || Sent >= _timing.RekeyAfterMessages) && Interlocked.Exchange(ref _renewalAsked, 1) == 0;

    /// <summary>Zeroes the keys.</summary>
    public void Dispose()
    {
        _send.Dispose();
        _receive.Dispose();
    }

    private DropReason VerdictOn(in AeadPacket packet)
    {
        if (!packet.Authentic)
            return DropReason.NotAuthentic;
        if (packet.Counter >= _timing.RejectAfterMessages)
            return DropReason.SessionExpired;
        return _replay.TryAccept(packet.Counter) ? DropReason.None : DropReason.Replayed;
    }
}
