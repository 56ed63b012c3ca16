namespace Kedge.Protocol.WireGuard;

/// <summary>
/// A peer's sessions: the one to send with, the one before it for packets still under way, and one that we answered to but that the
/// initiator has not used yet. Immutable: a change is a new value, published in one step to all threads.
/// </summary>
/// <param name="Current">What is sent with.</param>
/// <param name="Previous">Only received with.</param>
/// <param name="Next">Only received with; becomes current with the first packet that arrives in it.</param>
internal sealed record KeyPairs(KeyPair? Current, KeyPair? Previous, KeyPair? Next)
{
    /// <summary>No session.</summary>
    public static readonly KeyPairs None = new(null, null, null);

    /// <summary>
    /// After a handshake that we initiated: the response shows that the peer has the keys, so they are used at once. A session that
    /// the peer initiated meanwhile stays, to be received with.
    /// </summary>
    public KeyPairs Initiated(KeyPair session) => new(session, Next ?? Current, null);

    /// <summary>After a handshake that we answered: nothing is sent with it until the initiator has shown that it got the answer.</summary>
    public KeyPairs Answered(KeyPair session) => new(Current, null, session);

    /// <summary>After the first packet in <see cref="Next"/>.</summary>
    public KeyPairs Confirmed() => new(Next, Current, null);

    /// <summary>Whether <paramref name="session"/> is one of the three.</summary>
    public bool Contains(KeyPair session) => session == Current || session == Previous || session == Next;
}
