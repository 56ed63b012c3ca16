namespace Kedge.Protocol.WireGuard;

/// <summary>
/// Remembers which counters of a session have been received (RFC 6479): each is accepted once, in any order, as long as it is no more than
/// <see cref="Size"/> behind the newest. Ask only after the message has been authenticated: a forged counter would move the window.
/// Not synchronised: the session's lock guards it.
/// </summary>
public sealed class ReplayWindow
{
    /// <summary>
    /// How far behind the newest counter another may be: one block less than there are bits, because the newest block is still filling.
    /// </summary>
    public const int Size = (Blocks - 1) * BitsInBlock;

    /// <summary>Reject-After-Messages of the WireGuard paper, section 6.1: the first counter that is never accepted.</summary>
    public const ulong RejectAfterMessages = ulong.MaxValue - (1 << 13);

    private const int BitsInBlock = 64;
    private const int Blocks = 128; // a power of two; 8,192 bits

    private readonly ulong[] _received = new ulong[Blocks]; // a ring: counter c is bit c % 64 of block c / 64 % 128
    private readonly ulong _limit;
    private ulong _newest;

    /// <summary>A window into which nothing has been received.</summary>
    /// <param name="limit">Counters from this one on are refused.</param>
    public ReplayWindow(ulong limit = RejectAfterMessages) => _limit = limit;

    /// <summary>Accepts a counter and remembers it.</summary>
    /// <returns>False when it was accepted before, is too far behind to know, or has reached the limit.</returns>
    public bool TryAccept(ulong counter)
    {
        if (counter >= _limit)
            return false;
        ulong block = counter / BitsInBlock;
        if (counter > _newest)
        {
            ulong newestBlock = _newest / BitsInBlock;
            ulong entered = Math.Min(block - newestBlock, Blocks);
            for (ulong i = 1; i <= entered; i++)
                _received[(newestBlock + i) % Blocks] = 0;
            _newest = counter;
        }
        else if (_newest - counter > Size)
            return false;
        ref ulong bits = ref _received[block % Blocks];
        ulong bit = 1UL << (int)(counter % BitsInBlock);
        if ((bits & bit) != 0)
            return false;
        bits |= bit;
        return true;
    }

    /// <summary>Forgets everything, as for a new session.</summary>
    public void Clear()
    {
        _received.AsSpan().Clear();
        _newest = 0;
    }
}
