using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Rosenpass;

/// <summary>Why an output key was written, in the words that <c>rosenpass</c> prints.</summary>
public enum OutputKeyReason : byte
{
    /// <summary>There is none.</summary>
    None,

    /// <summary>Both ends of a handshake have it.</summary>
    Exchanged,

    /// <summary>The last one is too old: it is random, and nobody else has it.</summary>
    Stale,
}

/// <summary>Why a message went no further.</summary>
public enum RosenpassDropReason : byte
{
    /// <summary>It was not dropped.</summary>
    None,

    /// <summary>No message of any dialect that is spoken here, or of a size that it cannot have.</summary>
    Malformed,

    /// <summary>The MAC is wrong: its sender does not know our public key.</summary>
    InvalidMac,

    /// <summary>It belongs to no handshake, or to one that waits for something else.</summary>
    UnknownSession,

    /// <summary>It does not decrypt: a wrong key, PSK, peer or biscuit.</summary>
    NotAuthentic,

    /// <summary>Its sender is none of our peers in this dialect.</summary>
    UnknownPeer,

    /// <summary>Its biscuit was used, or a later one was.</summary>
    Replayed,

    /// <summary>Too many from its address, or from addresses that no peer is known by.</summary>
    RateLimited,

    /// <summary>As much work is under way as may be.</summary>
    Busy,

    /// <summary>A handshake of ours that was under way at the same time takes precedence.</summary>
    Superseded,

    /// <summary>A cookie reply that answers nothing we sent, or does not decrypt.</summary>
    InvalidCookieReply,
}

/// <summary>What a verb of <see cref="RosenpassExchange"/> asks its caller to do: any of what is set here.</summary>
public readonly record struct RosenpassOutcome
{
    /// <summary>Nothing is to be done.</summary>
    public static RosenpassOutcome Nothing => default;

    /// <summary>Bytes of the caller's buffer that are to be sent to <see cref="Destination"/>; 0 for none.</summary>
    public int Length { get; init; }

    /// <summary>Where they go.</summary>
    public Endpoint Destination { get; init; }

    /// <summary>Work to be run, on any thread, and then given to <see cref="RosenpassExchange.Complete"/>; null for none.</summary>
    public RosenpassJob? Job { get; init; }

    /// <summary>Whose output key the caller's buffer holds; null for nobody's.</summary>
    public RosenpassPeer? Peer { get; init; }

    /// <summary>Why there is an output key.</summary>
    public OutputKeyReason KeyReason { get; init; }

    /// <summary>Why the message was dropped.</summary>
    public RosenpassDropReason Reason { get; init; }

    /// <summary>Whether there is nothing to do, and nothing was dropped.</summary>
    public bool IsNothing => this == default;

    internal static RosenpassOutcome Drop(RosenpassDropReason reason) => new() { Reason = reason };

    internal static RosenpassOutcome ToNetwork(int length, Endpoint destination) => new() { Length = length, Destination = destination };

    internal static RosenpassOutcome Run(RosenpassJob job) => new() { Job = job };
}
