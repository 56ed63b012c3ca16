namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The times and counts of the WireGuard paper, section 6.1, and of the implementations where the paper is silent. The defaults are the
/// specification's; other values are for tests that cannot wait two minutes.
/// </summary>
public sealed record Timing
{
    /// <summary>The specification's values.</summary>
    public static Timing Default { get; } = new();

    /// <summary>REKEY_AFTER_TIME: the age at which a session's initiator asks for a new one, when it has something to send.</summary>
    public TimeSpan RekeyAfterTime { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>REJECT_AFTER_TIME: the age at which a session is neither sent nor received with.</summary>
    public TimeSpan RejectAfterTime { get; init; } = TimeSpan.FromSeconds(180);

    /// <summary>REKEY_ATTEMPT_TIME: after how long unanswered initiations are given up.</summary>
    public TimeSpan RekeyAttemptTime { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>REKEY_TIMEOUT: the least time between two initiations to one peer.</summary>
    public TimeSpan RekeyTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The upper bound of the random time added to <see cref="RekeyTimeout"/>, so that two peers do not keep colliding.</summary>
    public TimeSpan MaximumJitter { get; init; } = TimeSpan.FromMilliseconds(333);

    /// <summary>KEEPALIVE_TIMEOUT: after how long received data is acknowledged by an empty message, when nothing else was sent.</summary>
    public TimeSpan KeepaliveTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a cookie is good for, and the secret that it is made with.</summary>
    public TimeSpan CookieLifetime { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>
    /// How much earlier than <see cref="CookieLifetime"/> the initiator stops using a cookie, because it was under way for a while.
    /// </summary>
    public TimeSpan CookieLatency { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The least time between two initiations of one peer that are answered.</summary>
    public TimeSpan InitiationInterval { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How long a device counts as under load after its queue of handshakes was last long.</summary>
    public TimeSpan UnderLoadTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>REKEY_AFTER_MESSAGES: after how many messages sent a new session is asked for.</summary>
    public ulong RekeyAfterMessages { get; init; } = 1UL << 60;

    /// <summary>REJECT_AFTER_MESSAGES: counters from here on are neither sent nor received.</summary>
    public ulong RejectAfterMessages { get; init; } = ulong.MaxValue - (1UL << 13);

    /// <summary>After how long without a new session all keys are zeroed.</summary>
    public TimeSpan ZeroKeysAfterTime => RejectAfterTime * 3;

    /// <summary>After how long without an answer to data a new session is tried.</summary>
    public TimeSpan NoAnswerTimeout => KeepaliveTimeout + RekeyTimeout;

    /// <summary>
    /// The age at which an initiator that only receives renews its session, just in time before the other end would have to reject it.
    /// </summary>
    public TimeSpan RenewOnReceiveTime => RejectAfterTime - KeepaliveTimeout - RekeyTimeout;
}
