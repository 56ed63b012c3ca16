namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The attempt to get a session with one peer: an initiation, and another each time that none was answered for
/// <see cref="Timing.RekeyTimeout"/>, until <see cref="Timing.RekeyAttemptTime"/> has passed since somebody last wanted one (WireGuard,
/// section 6.4). Owned by the handshake thread.
/// </summary>
internal sealed class HandshakeAttempt(Timing timing, SessionTable table)
{
    private Instant? _wantedAt;
    private Instant? _lastInitiation;
    private bool _isSoon;

    /// <summary>The handshake whose response is awaited; null while there is none.</summary>
    public InitiatorHandshake? Handshake { get; private set; }

    /// <summary>
    /// Whether there was a response that is not authentic: one made with another preshared key, or a forged one, after which the right one
    /// may still come.
    /// </summary>
    public bool HasFailed { get; set; }

    /// <summary>When the next initiation is due; <see cref="Instant.Never"/> while nobody wants a session.</summary>
    public Instant Due { get; private set; } = Instant.Never;

    /// <summary>Somebody wants a session: begins an attempt, or gives a running one its full time again.</summary>
    public void Want(Instant now)
    {
        if (_wantedAt is null)
            Due = _lastInitiation is { } last ? last + (_isSoon ? 2 * timing.InitiationInterval : timing.RekeyTimeout) : now;
        _wantedAt = now;
    }

    /// <summary>Whether a handshake has ended since a session was last wanted: the peer's own may have been faster.</summary>
    public bool IsMet(Instant? lastHandshake) => lastHandshake >= _wantedAt;

    /// <summary>Whether nobody has wanted a session for so long that it is given up.</summary>
    public bool IsOver(Instant now) => now - _wantedAt >= timing.RekeyAttemptTime;

    /// <summary>An initiation is sent, and its response awaited.</summary>
    /// <param name="now">The time.</param>
    /// <param name="handshake">What began with it; owned by this object from now on.</param>
    /// <param name="peer">Whose response it is to be.</param>
    /// <param name="jitter">What is added to the time until the next one.</param>
    public void Sent(Instant now, InitiatorHandshake handshake, PeerTunnel peer, TimeSpan jitter)
    {
        Handshake = handshake;
        table.Await(handshake.LocalIndex, peer);
        _lastInitiation = now;
        _isSoon = false;
        Due = now + timing.RekeyTimeout + jitter;
    }

    /// <summary>Ends the handshake under way, if any; the attempt goes on.</summary>
    public void EndHandshake()
    {
        HasFailed = false;
        if (Handshake is null)
            return;
        table.Forget(Handshake.LocalIndex);
        Handshake.Dispose();
        Handshake = null;
    }

    /// <summary>Ends the attempt; the next one keeps its distance from the last initiation.</summary>
    public void End()
    {
        EndHandshake();
        _wantedAt = null;
        Due = Instant.Never;
    }

    /// <summary>Ends the attempt, after which the next one may begin as soon as the peer answers another initiation.</summary>
    public void EndForAnother()
    {
        End();
        _isSoon = true;
    }

    /// <summary>Ends the attempt, after which the next one may begin at once.</summary>
    public void Reset()
    {
        End();
        _lastInitiation = null;
    }
}
