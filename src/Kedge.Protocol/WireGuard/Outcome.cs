namespace Kedge.Protocol.WireGuard;

/// <summary>What is to be done after a verb.</summary>
public enum OutcomeKind : byte
{
    /// <summary>Nothing; for <c>Poll</c>: nothing more now.</summary>
    Nothing,

    /// <summary>The caller's buffer holds a datagram for the network.</summary>
    ToNetwork,

    /// <summary>The message was dropped.</summary>
    Drop,
}

/// <summary>What a verb of a state machine asks its caller to do.</summary>
/// <param name="Kind">What.</param>
/// <param name="Length">Bytes of the caller's buffer that are to be sent; 0 otherwise.</param>
/// <param name="Reason">Why it was dropped.</param>
public readonly record struct Outcome(OutcomeKind Kind, int Length, DropReason Reason)
{
    /// <summary>Nothing is to be done.</summary>
    public static Outcome Nothing => default;

    /// <summary>The first <paramref name="length"/> bytes of the caller's buffer are to be sent.</summary>
    public static Outcome ToNetwork(int length) => new(OutcomeKind.ToNetwork, length, DropReason.None);

    /// <summary>The message was dropped.</summary>
    public static Outcome Drop(DropReason reason) => new(OutcomeKind.Drop, 0, reason);
}
