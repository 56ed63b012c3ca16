namespace Kedge.Protocol.WireGuard;

/// <summary>
/// Decides when a device is under load (paper, section 5.3): while an eighth of its queue of handshakes is taken, and for a second after.
/// Owned by the handshake thread.
/// </summary>
public sealed class LoadMeter(Timing timing, int queueCapacity)
{
    private Instant _until = new(long.MinValue);

    /// <summary>Whether senders have to prove their address now.</summary>
    /// <param name="now">The time.</param>
    /// <param name="queued">How many handshake messages wait.</param>
    public bool IsUnderLoad(Instant now, int queued)
    {
        if (queued >= queueCapacity / 8)
            _until = now + timing.UnderLoadTime;
        return now < _until;
    }
}
