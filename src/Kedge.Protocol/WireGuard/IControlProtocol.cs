using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// A protocol that has the device's UDP port in common with WireGuard: a state machine that is handed datagrams and time, and says what is
/// to be sent. One thread at a time, but for <see cref="Check"/>.
/// </summary>
public interface IControlProtocol
{
    /// <summary>When <see cref="Poll"/> is to be called again.</summary>
    Instant NextDeadline { get; }

    /// <summary>
    /// Finds out whether a datagram may be meant for us: what is not is dropped before it costs a copy or room in a queue. Any thread; returns
    /// at once and allocates nothing.
    /// </summary>
    /// <param name="datagram">The datagram, of this protocol's kind.</param>
    /// <param name="remote">Where it came from.</param>
    /// <returns><see cref="DropReason.None"/> unless it is to be dropped.</returns>
    DropReason Check(ReadOnlySpan<byte> datagram, Endpoint remote);

    /// <summary>Takes a datagram of this protocol's kind.</summary>
    /// <param name="now">The time.</param>
    /// <param name="datagram">
    /// The datagram; may be changed. Of one that is longer than its queue keeps, what is behind that is not what was received.
    /// </param>
    /// <param name="remote">Where it came from.</param>
    /// <param name="local">Where it arrived.</param>
    /// <param name="reply">Where an answer goes: 1,280 bytes.</param>
    ControlOutcome Receive(Instant now, Span<byte> datagram, Endpoint remote, Endpoint local, Span<byte> reply);

    /// <summary>Does what is due by now. To be called again until it returns <see cref="OutcomeKind.Nothing"/>.</summary>
    /// <param name="now">The time.</param>
    /// <param name="datagram">Where a datagram goes: at least 1,280 bytes.</param>
    ControlOutcome Poll(Instant now, Span<byte> datagram);
}

/// <summary>What a verb of an <see cref="IControlProtocol"/> asks its caller to do.</summary>
/// <param name="Outcome">What, and with how many bytes.</param>
/// <param name="Remote">Where a datagram is to go.</param>
/// <param name="Local">Where it is to leave from; none lets the kernel choose.</param>
/// <param name="TimeToLive">Its time to live, or hop limit; 0 for the kernel's.</param>
public readonly record struct ControlOutcome(Outcome Outcome, Endpoint Remote = default, Endpoint Local = default, byte TimeToLive = 0)
{
    /// <summary>Whether the datagram must not be fragmented, neither here nor on its way.</summary>
    public bool DontFragment { get; init; }

    /// <summary>Nothing is to be done.</summary>
    public static ControlOutcome Nothing => default;

    /// <summary>Whether a datagram is to be sent.</summary>
    public bool Sends => Outcome.Kind == OutcomeKind.ToNetwork;

    /// <summary>The datagram was dropped.</summary>
    public static ControlOutcome Drop(DropReason reason) => new(Outcome.Drop(reason));
}
