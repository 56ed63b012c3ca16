using System.Threading;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The sessions of one peer, published to all threads in one step, and entered in the device's table. One that is replaced is taken out of
/// the table, and its keys are zeroed.
/// </summary>
/// <param name="table">The device's sessions.</param>
internal sealed class PeerSessions(SessionTable table)
{
    private volatile KeyPairs _keys = KeyPairs.None;

    /// <summary>The sessions as they are now. Any thread.</summary>
    public KeyPairs Keys => _keys;

    /// <summary>The session to send with; null when there is none that still may be used. Any thread.</summary>
    public KeyPair? Usable(Instant now) => _keys.Current is { } session && !session.IsExpired(now) ? session : null;

    /// <summary>Takes the session of a handshake that we initiated, see <see cref="KeyPairs.Initiated"/>.</summary>
    public void AddInitiated(KeyPair session)
    {
        table.Add(session);
        Exchange(keys => keys.Initiated(session));
    }

    /// <summary>Takes the session of a handshake that we answered, see <see cref="KeyPairs.Answered"/>.</summary>
    public void AddAnswered(KeyPair session)
    {
        table.Add(session);
        Exchange(keys => keys.Answered(session));
    }

    /// <summary>
    /// Sends with a session from now on that a packet has arrived in, if it is the one that waited for this. Any thread.
    /// </summary>
    public void Confirm(KeyPair session) => Exchange(keys => keys.Next == session ? keys.Confirmed() : keys);

    /// <summary>Ends all.</summary>
    public void Clear() => Exchange(_ => KeyPairs.None);

    private void Exchange(Func<KeyPairs, KeyPairs> change)
    {
        KeyPairs before, after;
        do
        {
            before = _keys;
            after = change(before);
        }
        while (Interlocked.CompareExchange(ref _keys, after, before) != before);

        End(before.Current);
        End(before.Previous);
        End(before.Next);

        void End(KeyPair? session)
        {
            if (session is null || after.Contains(session))
                return;
            table.Remove(session);
            session.Dispose();
        }
    }
}
