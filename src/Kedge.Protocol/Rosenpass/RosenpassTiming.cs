namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// The times of the protocol, of the white paper and of the implementation where the paper is silent. The defaults are theirs; other values
/// are for tests that cannot wait two minutes.
/// </summary>
public sealed record RosenpassTiming
{
    /// <summary>The usual values.</summary>
    public static RosenpassTiming Default { get; } = new();

    /// <summary>The age at which a session's responder starts the next handshake: before the initiator, so that roles alternate.</summary>
    public TimeSpan RekeyAfterTimeResponder { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>The age at which a session's initiator starts the next handshake.</summary>
    public TimeSpan RekeyAfterTimeInitiator { get; init; } = TimeSpan.FromSeconds(130);

    /// <summary>The upper bound of the random time added to both, so that many peers that started together drift apart.</summary>
    public TimeSpan MaximumRekeyJitter { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The age at which a session's output key is replaced by a random one.</summary>
    public TimeSpan RejectAfterTime { get; init; } = TimeSpan.FromSeconds(180);

    /// <summary>How long an initiator keeps a handshake; then it starts another with a new ephemeral key.</summary>
    public TimeSpan HandshakeLifetime { get; init; } = TimeSpan.FromSeconds(180);

    /// <summary>
    /// How long after its own handshake an end that has precedence refuses the other end's, which was under way at the same time.
    /// </summary>
    public TimeSpan PrecedenceTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The time to the first retransmission at most; it doubles with each.</summary>
    public TimeSpan RetransmissionDelay { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>The time from one retransmission to the next at most.</summary>
    public TimeSpan MaximumRetransmissionDelay { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>For how long a biscuit key encrypts, and then for how long again it still decrypts.</summary>
    public TimeSpan BiscuitEpoch { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>For how long a secret makes cookies, then for how long they are accepted, and how long an initiator uses one.</summary>
    public TimeSpan CookieEpoch { get; init; } = TimeSpan.FromSeconds(120);
}
