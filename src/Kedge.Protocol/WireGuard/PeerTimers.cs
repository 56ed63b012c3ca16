using System.Threading;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// When a peer is to be sent something though nobody asked: the timers of the paper, sections 6.2 to 6.5, as a few points in time.
/// <para>
/// Packet threads only note when something happened, with plain writes. The handshake thread works out deadlines from that. It need not
/// be woken for it: nothing that packets cause is due earlier than <see cref="Timing.KeepaliveTimeout"/> after it, so a thread that
/// looks at least that often is never late.
/// </para>
/// </summary>
internal sealed class PeerTimers(Timing timing)
{
    private const long Unset = long.MinValue;

    private long _unansweredSince = Unset;
    private long _unacknowledgedSince = Unset;
    private long _lastDataSent = Unset;
    private long _lastDataReceived = Unset;
    private volatile bool _awaitsTraffic;
    private long _lastTraversal;
    private long _persistentKeepalive;

    /// <summary>The interval of unasked keepalives; zero for none.</summary>
    public TimeSpan PersistentKeepalive
    {
        get => new(Volatile.Read(ref _persistentKeepalive));
        set => Volatile.Write(ref _persistentKeepalive, value.Ticks);
    }

    /// <summary>Anything authenticated was sent: a handshake message, data, or a keepalive. Any thread.</summary>
    public void Sent(Instant now)
    {
        Volatile.Write(ref _unacknowledgedSince, Unset);
        Volatile.Write(ref _lastTraversal, now.Ticks);
    }

    /// <summary>Data was sent. Any thread.</summary>
    /// <returns>Whether it ends <see cref="AwaitTraffic"/>.</returns>
    public bool DataSent(Instant now)
    {
        Sent(now);
        Volatile.Write(ref _lastDataSent, now.Ticks);
        if (Volatile.Read(ref _unansweredSince) == Unset)
            Volatile.Write(ref _unansweredSince, now.Ticks);
        return EndAwaitTraffic();
    }

    /// <summary>Anything authenticated was received. Any thread.</summary>
    public void Received(Instant now)
    {
        Volatile.Write(ref _unansweredSince, Unset);
        Volatile.Write(ref _lastTraversal, now.Ticks);
    }

    /// <summary>Data was received; a keepalive does not count, so that no keepalive ever answers a keepalive. Any thread.</summary>
    /// <returns>Whether it ends <see cref="AwaitTraffic"/>.</returns>
    public bool DataReceived(Instant now)
    {
        Received(now);
        Volatile.Write(ref _lastDataReceived, now.Ticks);
        if (Volatile.Read(ref _unacknowledgedSince) == Unset)
            Volatile.Write(ref _unacknowledgedSince, now.Ticks);
        return EndAwaitTraffic();
    }

    /// <summary>When data was last sent or received; null for never. Any thread.</summary>
    public Instant? LastTraffic => At(Math.Max(Volatile.Read(ref _lastDataSent), Volatile.Read(ref _lastDataReceived)));

    /// <summary>When anything authenticated was last sent or received; zero for never. Any thread.</summary>
    public Instant LastTraversal => new(Volatile.Read(ref _lastTraversal));

    /// <summary>When data was last sent; null for never. Any thread.</summary>
    public Instant? LastDataSent => At(Volatile.Read(ref _lastDataSent));

    /// <summary>Since when data has been sent without anything received; null if nothing is to be answered. Any thread.</summary>
    public Instant? UnansweredSince => At(Volatile.Read(ref _unansweredSince));

    /// <summary>Has the next <see cref="DataSent"/> or <see cref="DataReceived"/> say so. Any thread.</summary>
    public void AwaitTraffic() => _awaitsTraffic = true;

    /// <summary>When data has been received for too long without anything sent back.</summary>
    public Instant KeepaliveDue => After(ref _unacknowledgedSince, timing.KeepaliveTimeout);

    /// <summary>When data has been sent for too long without anything received.</summary>
    public Instant AnswerDue => After(ref _unansweredSince, timing.NoAnswerTimeout);

    /// <summary>When the next unasked keepalive is due.</summary>
    public Instant PersistentKeepaliveDue =>
        PersistentKeepalive is var interval && interval > TimeSpan.Zero ? After(ref _lastTraversal, interval) : Instant.Never;

    /// <summary>Stops waiting for an answer: a new handshake has been asked for.</summary>
    public void ForgetAnswer() => Volatile.Write(ref _unansweredSince, Unset);

    /// <summary>Stops waiting to acknowledge what was received: there is nowhere to send to.</summary>
    public void ForgetAcknowledgement() => Volatile.Write(ref _unacknowledgedSince, Unset);

    /// <summary>Forgets everything that packets have caused.</summary>
    public void Clear()
    {
        Volatile.Write(ref _unansweredSince, Unset);
        Volatile.Write(ref _unacknowledgedSince, Unset);
    }

    private static Instant? At(long ticks) => ticks == Unset ? null : new Instant(ticks);

    private bool EndAwaitTraffic()
    {
        bool ends = _awaitsTraffic;
        if (ends)
            _awaitsTraffic = false;
        return ends;
    }

    private static Instant After(ref long since, TimeSpan span)
    {
        long ticks = Volatile.Read(ref since);
        return ticks == Unset ? Instant.Never : new Instant(ticks) + span;
    }
}
